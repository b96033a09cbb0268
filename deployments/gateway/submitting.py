"""Requests become jobs: the form of the old endpoints with its files, and plain JSON.

The job is in Postgres before its client hears of it. Where Prefect goes away just then, it is started later by itself
(`starting`); while Prefect is away already, nothing is taken in (503), before anything is sent.
"""

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request

from deployments.gateway.access import Caller, Submitter
from deployments.gateway.front import Front, front_of
from deployments.gateway.links import taken
from deployments.gateway.problems import AWAY, Refused, answers, refused_input
from deployments.gateway.receiving import Received, Reception, SentFile, plain_name
from deployments.gateway.shapes import Taken
from videojobs.errors import InvalidRequest, LedgerUnavailable, Problem, RequestMismatch
from videojobs.intake import decode, parse_request, ref_ids_wanted
from videojobs.ledger import ClientKey, Ledger, VideoJob
from videojobs.ledger.uploads import Upload
from videojobs.media.store import job_prefix
from videojobs.request import JobRequest, canonical, fingerprint
from videojobs.settings import Access
from videojobs.states import Status

log = logging.getLogger(__name__)
router = APIRouter()

FORM_PATHS: Final = ("/video-editors/pro-sync-process", "/sync/pro-sync-process")
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own for this job: the same request, sent again with it, gives the first job.",
        examples=["order-4711"],
    ),
]
TheFront = Annotated[Front, Depends(front_of)]
_NOWHERE: Final = "s3://not-sent/not-sent"  # stands in for a file whose absence is reported in better words


# ---- the old endpoints -------------------------------------------------------------------------------------

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "audio_files", "segments_data"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The video."},
                        "audio_files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The new speech. Each is `audio-1`, `audio-2`, ... by its order, or what "
                            "its file name says (with or without its ending) where a segment asks for that.",
                        },
                        "segments_data": {"type": "string", "description": "The segments, as JSON text."},
                        "effects": {"type": "string", "description": "The annotation areas, as JSON text."},
                        "display_name": {"type": "string", "maxLength": 200},
                        "user_id": {"type": "string", "description": "If given, the token's own user."},
                    },
                },
                "example": {
                    "segments_data": '[{"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}}]',
                    "effects": '[{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4, "end": 8}]',
                    "display_name": "My first job",
                },
            }
        },
    }
}


@router.post(
    FORM_PATHS[0],
    status_code=202,
    responses=answers(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_FORM,
    tags=["old clients"],
    summary="Start a job with its files",
)
@router.post(FORM_PATHS[1], status_code=202, include_in_schema=False)
async def submit_form(request: Request, who: Submitter, front: TheFront, key: IdempotencyKey = None) -> Taken:
    """Fields and files may come in any order. What is wrong is reported all at once."""
    _check_encoding(request)
    await front.backing.runs.check()
    with front.room.place(who.user_id):
        job = await _from_form(request, who, front, key)
    return await _started(front, job)


async def _from_form(request: Request, who: Caller, front: Front, key: str | None) -> VideoJob:
    """The job on the books. Of a form that becomes none, nothing is left in the storage."""
    ledger, store = await front.backing.ledger(), await front.backing.store()
    job_id = str(uuid.uuid4())
    await ledger.begin_upload(Upload(id=job_id, user_id=who.user_id, prefix=job_prefix(who.user_id, job_id)))
    reception = Reception(front.room, store, front.door, user_id=who.user_id, job_id=job_id)
    try:
        received = await reception.receive(request)
        wanted = _understood(received, who)
    except BaseException:
        await _surely(_undo(reception, ledger, job_id))
        raise
    client_key = ClientKey(key, _fingerprint(wanted, received)) if key else None
    try:
        job = await _opened(front, ledger, job_id, wanted, who, client_key)
    except RequestMismatch:
        await _surely(_undo(reception, ledger, job_id))
        raise
    # After any other error the job may be on the books: its files stay, and if it is not, the sweep removes them.
    if job.id == job_id:
        with suppress(LedgerUnavailable):  # the sweep sees that they are a job's
            await ledger.forget_upload(job_id)
    else:
        await _surely(_undo(reception, ledger, job_id))
    return job


async def _surely(work: Awaitable[None]) -> None:
    """To its end, also where the request is cancelled meanwhile."""
    await asyncio.shield(asyncio.ensure_future(work))


async def _undo(reception: Reception, ledger: Ledger, upload_id: str) -> None:
    """What cannot be removed now, the sweep finds by its row."""
    try:
        await reception.undo()
        await ledger.forget_upload(upload_id)
    except AWAY as error:
        log.warning("Upload %s: its files are removed later (%s)", upload_id, type(error).__name__)


def _understood(received: Received, who: Caller) -> JobRequest:
    """The request in a form. Raises a refusal with all problems, under the form's own names."""
    texts, problems = received.texts, list(received.problems)
    if texts.get("user_id", who.user_id) != who.user_id:
        problems.append(Problem("user_id", "is not the user of your token; leave it out"))
    if received.video is None and not any(item.path == "file" for item in problems):
        problems.append(Problem("file", "is required: send the video"))
    wanted = ref_ids_wanted(texts.get("segments_data"))
    raw = {
        "video": received.video.arrived.stored.uri if received.video else _NOWHERE,
        "audio": [
            {"refId": _ref_id(sound, number, wanted), "source": sound.arrived.stored.uri}
            for number, sound in enumerate(received.audio, start=1)
        ],
        "segments": texts.get("segments_data"),
        "effects": texts.get("effects"),
        "display_name": texts.get("display_name"),
        "user_id": who.user_id,
    }
    request = None
    try:
        request = parse_request(raw)
    except InvalidRequest as error:
        about_audio = any(item.path.startswith("audio_files") for item in problems)
        found = [Problem(_as_sent(item.path), item.message) for item in error.problems]
        # Where a sound file was refused, what its absence breaks would only confuse.
        problems += [item for item in found if not about_audio or "refId" not in item.path]
    if request is None or problems:
        raise refused_input(problems)
    return request


def _ref_id(sound: SentFile, number: int, wanted: frozenset[str]) -> str:
    """By its file name where a segment asks for that, else by its order: `audio-1`, `audio-2`, ..."""
    for name in (sound.name, plain_name(sound.name)):
        if name in wanted:
            return name
    return f"audio-{number}"


def _as_sent(path: str) -> str:
    """`audio[0].source` as the form calls it: `audio_files[0]`."""
    if path.startswith("audio["):
        return "audio_files" + path.removeprefix("audio").partition(".")[0]
    for ours, theirs in (("video", "file"), ("segments", "segments_data"), ("audio", "audio_files")):
        if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
            return theirs + path.removeprefix(ours)
    return path


def _fingerprint(request: JobRequest, received: Received) -> str:
    """Of what was asked for and of what is in the files; where they were put is different each time."""
    files = [received.video, *received.audio]
    plain = canonical(request)
    plain["video"], plain["audio"] = "", [item["refId"] for item in plain["audio"]]
    hashes = [file.arrived.sha256 for file in files if file]
    return hashlib.sha256(json.dumps([plain, hashes], sort_keys=True).encode()).hexdigest()


# ---- JSON --------------------------------------------------------------------------------------------------

_JSON: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobRequest"},
                "example": {
                    "video": "https://example.com/talk.mp4",
                    "audio": [{"refId": "audio-1", "source": "https://example.com/new-speech.wav"}],
                    "segments": [{"startTime": 0, "endTime": 1.8, "audioInput": {"refId": "audio-1"}}],
                    "effects": [],
                    "display_name": "My first job",
                },
            }
        },
    }
}


@router.post(
    "/jobs",
    status_code=202,
    responses=answers(400, 401, 403, 409, 413, 415, 422, 429, 503),
    openapi_extra=_JSON,
    tags=["jobs"],
    summary="Start a job",
)
async def submit_json(request: Request, who: Submitter, front: TheFront, key: IdempotencyKey = None) -> Taken:
    """Its files lie at https links, or were sent to the storage before (`/api/v1/uploads`)."""
    _check_encoding(request)
    raw = await _json_object(request)
    await front.backing.runs.check()
    wanted = _parsed(raw, who)
    ledger = await front.backing.ledger()
    await _check_sources(ledger, who, wanted)
    client_key = ClientKey(key, fingerprint(wanted)) if key else None
    job = await _opened(front, ledger, str(uuid.uuid4()), wanted, who, client_key)
    return await _started(front, job)


async def _json_object(request: Request) -> Mapping[str, object]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "Send the request as application/json.")
    try:
        raw = decode((await request.body()).decode())
    except UnicodeDecodeError:
        raise Refused(400, "The body is not valid UTF-8.") from None
    except ValueError as error:
        raise Refused(400, f"The body {error}.") from None
    if not isinstance(raw, dict):
        raise refused_input([Problem("request", "must be an object")])
    return raw


def _parsed(raw: Mapping[str, object], who: Caller) -> JobRequest:
    if raw.get("user_id", who.user_id) != who.user_id:
        raise refused_input([Problem("user_id", "is not the user of your token; leave it out")])
    # Files of this machine are for who works on it; a client would read what is not its own.
    return parse_request({**raw, "user_id": who.user_id}, access=Access(allow_local_files=False))


async def _check_sources(ledger: Ledger, who: Caller, request: JobRequest) -> None:
    """What lies in our storage can be reached by our keys, so only one's own uploads may be named."""
    sources = {"video": request.video} | {f"audio[{i}].source": item.source for i, item in enumerate(request.audio)}
    stored = {path: source for path, source in sources.items() if source.lower().startswith("s3:")}
    own = await ledger.own_sources(who.user_id, list(stored.values())) if stored else set()
    problems = [
        Problem(path, "is not an upload of yours that is complete and less than a week old; upload it first")
        for path, source in stored.items()
        if source not in own
    ]
    if problems:
        raise refused_input(problems)


# ---- both --------------------------------------------------------------------------------------------------


def _check_encoding(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "Send the body as it is, without Content-Encoding.")


async def _started(front: Front, job: VideoJob) -> Taken:
    """The answer; a job that was asked for again may have been started long ago."""
    if job.status == Status.PENDING:
        await front.starter.start(job)
    return await taken(front, job)


_OPENING_SECONDS: Final = 10  # that Postgres may be away for: a restart
_PAUSE_SECONDS: Final = 0.5


async def _opened(
    front: Front, ledger: Ledger, job_id: str, request: JobRequest, who: Caller, key: ClientKey | None
) -> VideoJob:
    """On the books, or the job that this key stands for. A commit whose answer got lost is asked for again."""
    async with asyncio.timeout(_OPENING_SECONDS) as patience:
        while True:
            try:
                return await ledger.open(
                    job_id, request, actor=who.actor, connections=front.backing.connections, key=key
                )
            except LedgerUnavailable:
                if asyncio.get_running_loop().time() + _PAUSE_SECONDS > (patience.when() or 0):
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
