"""Requests in JSON: their files lie at links, or were sent to the storage before."""

import uuid
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from deployments.gateway.access import Caller, Submitter
from deployments.gateway.front import TheFront
from deployments.gateway.opening import IdempotencyKey, check_encoding, on_the_books, started
from deployments.gateway.problems import Refused, answers, refused_input
from deployments.gateway.shapes import Taken
from videojobs.errors import Problem
from videojobs.intake import decode, parse_request
from videojobs.ledger import ClientKey, Ledger
from videojobs.request import JobRequest, fingerprint
from videojobs.settings import Access

router = APIRouter(tags=["jobs"])

M = TypeVar("M", bound=BaseModel)

_MOST_TOLD: Final = 5000  # errors, as in `videojobs.intake`
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
    responses=answers(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_JSON,
    summary="Start a job",
)
async def submit_json(request: Request, who: Submitter, front: TheFront, key: IdempotencyKey = None) -> Taken:
    """Its files lie at https links, or were sent to the storage before (`/api/v1/uploads`)."""
    check_encoding(request)
    raw = await json_object(request)
    await front.backing.runs.check()
    wanted = _parsed(raw, who)
    ledger = await front.backing.ledger()
    sources = {"video": wanted.video} | {f"audio[{i}].source": item.source for i, item in enumerate(wanted.audio)}
    await check_sources(ledger, who, sources)
    client_key = ClientKey(key, fingerprint(wanted)) if key else None
    job = await on_the_books(front, ledger, str(uuid.uuid4()), wanted, who, client_key)
    return await started(front, job)


async def json_as(request: Request, model: type[M]) -> M:
    """The body as this model, read by an endpoint that knows its sender: as a parameter, it would be read before."""
    await json_object(request)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        if (count := error.error_count()) > _MOST_TOLD:
            raise refused_input([Problem("request", f"has {count} mistakes, too many to list them")]) from None
        errors = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in errors]) from None


def json_of(model: type[BaseModel]) -> dict[str, Any]:
    """What the OpenAPI document says of such a body."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    return {"requestBody": {"required": True, "content": content}}


async def json_object(request: Request) -> Mapping[str, object]:
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
    # Files of this machine are for who works on it; a client would read what is not its own.
    return parse_request(own(raw, who), access=Access(allow_local_files=False))


def own(raw: Mapping[str, object], who: Caller) -> Mapping[str, object]:
    """The request, as its token's user's. Raises a refusal where it says to be somebody else's."""
    if raw.get("user_id", who.user_id) != who.user_id:
        raise refused_input([Problem("user_id", "is not the user of your token; leave it out")])
    return {**raw, "user_id": who.user_id}


async def check_sources(ledger: Ledger, who: Caller, sources: Mapping[str, str]) -> None:
    """What lies in our storage can be reached by our keys, so only one's own uploads may be named. By their fields."""
    stored = {path: source for path, source in sources.items() if source.lower().startswith("s3:")}
    own = await ledger.own_sources(who.user_id, list(stored.values())) if stored else set()
    problems = [
        Problem(path, "is not an upload of yours that is complete and less than a week old; upload it first")
        for path, source in stored.items()
        if source not in own
    ]
    if problems:
        raise refused_input(problems)
