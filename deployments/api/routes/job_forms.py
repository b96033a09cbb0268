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

from deployments.api.auth import Principal, Submitter
from deployments.api.background.job_creation import IdempotencyKey, create_job, launch_run, reject_content_encoding
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import DEPENDENCY_ERRORS, error_responses
from deployments.api.middleware.request_context import bind_job
from deployments.api.schemas.jobs import JobCreated
from deployments.api.uploads.form_mapping import form_fingerprint, to_job_request, to_lecture_request
from deployments.api.uploads.form_receiver import FormReceiver, FormSpec
from videojobs.db import ClientKey, JobRepository, VideoJob
from videojobs.db.uploads import Upload
from videojobs.errors import DatabaseUnavailable, JobRequestConflict
from videojobs.states import JobKind
from videojobs.storage.object_store import job_prefix

log = logging.getLogger(__name__)
router = APIRouter()

FORM_PATHS: Final = ("/video-editors/pro-sync-process", "/sync/pro-sync-process")

_OPENAPI_FORM_BODY: Final[dict[str, Any]] = {
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
    responses=error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_OPENAPI_FORM_BODY,
    tags=["old clients"],
    summary="Start a job with its files",
)
@router.post(FORM_PATHS[1], status_code=202, include_in_schema=False)
async def create_job_from_form(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> JobCreated:
    """Fields and files may come in any order. What is wrong is reported all at once."""
    reject_content_encoding(request)
    await state.services.runs.ping()
    with state.upload_pool.admit(principal.user_id):
        job = await create_from_form(request, principal, state, idempotency_key, JobKind.PRO_VIDEO)
    return await launch_run(state, job)


async def create_from_form(
    request: Request, principal: Principal, state: AppState, idempotency_key: str | None, kind: JobKind
) -> VideoJob:
    """The job on the books. Of a form that becomes none, nothing is left in the storage."""
    repository, store = await state.services.repository(), await state.services.store()
    job_id = str(uuid.uuid4())
    bind_job(job_id)
    await repository.create_upload(
        Upload(id=job_id, user_id=principal.user_id, prefix=job_prefix(principal.user_id, job_id))
    )
    receiver = FormReceiver(
        state.upload_pool,
        store,
        state.settings,
        user_id=principal.user_id,
        job_id=job_id,
        spec=FormSpec.for_job_kind(kind),
    )
    try:
        received = await receiver.receive(request)
        parsed = (
            to_job_request(received, principal)
            if kind is JobKind.PRO_VIDEO
            else to_lecture_request(received, principal)
        )
    except BaseException:
        await _run_to_completion(_discard_upload(receiver, repository, job_id))
        raise
    client_key = ClientKey(idempotency_key, form_fingerprint(parsed.request, received)) if idempotency_key else None
    try:
        job = await create_job(state, repository, job_id, parsed.request, principal, client_key, parsed.changes)
    except JobRequestConflict:
        await _run_to_completion(_discard_upload(receiver, repository, job_id))
        raise
    # After any other error the job may be on the books: its files stay, and if it is not, the sweep removes them.
    if job.id == job_id:
        with suppress(DatabaseUnavailable):  # the sweep sees that they are a job's
            await repository.delete_upload(job_id)
    else:
        await _run_to_completion(_discard_upload(receiver, repository, job_id))
    return job


async def _run_to_completion(work: Awaitable[None]) -> None:
    """To its end, also where the request is cancelled meanwhile."""
    await asyncio.shield(asyncio.ensure_future(work))


async def _discard_upload(receiver: FormReceiver, repository: JobRepository, upload_id: str) -> None:
    """What cannot be removed now, the sweep finds by its row."""
    try:
        await receiver.discard()
        await repository.delete_upload(upload_id)
    except DEPENDENCY_ERRORS as error:
        log.warning("Upload %s: its files are removed later (%s)", upload_id, type(error).__name__)
