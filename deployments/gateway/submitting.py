"""The old endpoints: a form with its files becomes a job.

The job is in Postgres before its client hears of it. Where Prefect goes away just then, it is started later by itself
(`starting`); while Prefect is away already, nothing is taken in (503), before anything is sent.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final

from fastapi import APIRouter, Request

from deployments.gateway.access import Caller, Submitter
from deployments.gateway.front import Front, TheFront
from deployments.gateway.opening import IdempotencyKey, check_encoding, on_the_books, started
from deployments.gateway.problems import AWAY, answers
from deployments.gateway.receiving import Reception, Wanted
from deployments.gateway.scope import about_job
from deployments.gateway.shapes import Taken
from deployments.gateway.understanding import form_fingerprint, understood, understood_lecture
from videojobs.errors import LedgerUnavailable, RequestMismatch
from videojobs.ledger import ClientKey, Ledger, VideoJob
from videojobs.ledger.uploads import Upload
from videojobs.media.store import job_prefix
from videojobs.states import Work

log = logging.getLogger(__name__)
router = APIRouter()

FORM_PATHS: Final = ("/video-editors/pro-sync-process", "/sync/pro-sync-process")

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
                            "description": "The new speech: a file for each refId, in the order in which the segments "
                            "first name them. A file whose own name (with or without its ending) is a refId is that.",
                        },
                        "segments_data": {"type": "string", "description": "The segments, as JSON text."},
                        "effects": {
                            "type": "string",
                            "description": "The annotation areas, as JSON text. An area may give its place as "
                            "`region: {x, y, width, height}`.",
                        },
                        "options": {"type": "string", "description": "As in JobRequest, as JSON text."},
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
    check_encoding(request)
    await front.backing.runs.check()
    with front.room.place(who.user_id):
        job = await from_form(request, who, front, key, Work.PRO_VIDEO)
    return await started(front, job)


async def from_form(request: Request, who: Caller, front: Front, key: str | None, work: Work) -> VideoJob:
    """The job on the books. Of a form that becomes none, nothing is left in the storage."""
    ledger, store = await front.backing.ledger(), await front.backing.store()
    job_id = str(uuid.uuid4())
    about_job(job_id)
    await ledger.begin_upload(Upload(id=job_id, user_id=who.user_id, prefix=job_prefix(who.user_id, job_id)))
    reception = Reception(front.room, store, front.door, user_id=who.user_id, job_id=job_id, wanted=Wanted.of(work))
    try:
        received = await reception.receive(request)
        asked = understood(received, who) if work is Work.PRO_VIDEO else understood_lecture(received, who)
    except BaseException:
        await _surely(_undo(reception, ledger, job_id))
        raise
    client_key = ClientKey(key, form_fingerprint(asked.request, received)) if key else None
    try:
        job = await on_the_books(front, ledger, job_id, asked.request, who, client_key, asked.changes)
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
