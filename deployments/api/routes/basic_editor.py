"""The basic editor of the old system: one audio for a whole video, text removal alone, and batches of videos."""

from typing import Any, Final

from fastapi import APIRouter, Request

from deployments.api.auth import JobId, Reader, Submitter, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs.batch_creation import create_jobs_from_batch
from deployments.api.jobs.creation import IdempotencyKey
from deployments.api.jobs.form_creation import create_job_from_form
from deployments.api.schemas.basic_editor import (
    BasicJobStatus,
    BatchCreated,
    TextRemovalJobCreated,
    WholeVideoJobCreated,
)
from deployments.api.uploads.form_receiver import JobForm
from deployments.api.views.basic_editor_view import (
    to_basic_status,
    to_batch,
    to_text_removal_job,
    to_whole_video_job,
)
from videojobs.requests.models import CALLBACK_URL_HELP

router = APIRouter(tags=["old clients"])

WHOLE_VIDEO_PATH: Final = "/video-editors/sync-process"
TEXT_REMOVAL_PATH: Final = "/jobs/direct-process"
BATCH_PATH: Final = "/jobs/batch-process"
FORM_PATHS: Final = (WHOLE_VIDEO_PATH, TEXT_REMOVAL_PATH, BATCH_PATH)

_FORM_ERRORS: Final = error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
_FILE: Final = {"type": "string", "format": "binary"}
_VIDEO: Final = _FILE | {"description": "The video."}
_TEXT_FIELDS: Final = {
    "effects": {
        "type": "string",
        "description": "The annotation areas, as JSON text, as in the Pro form. Without areas, text is removed from "
        "the whole frame; areas of kind protection alone mean the whole frame but them.",
    },
    "display_name": {"type": "string", "maxLength": 200},
    "user_id": {"type": "string", "description": "If given, the token's own user."},
    "callback_url": {"type": "string", "maxLength": 2048, "description": CALLBACK_URL_HELP},
}
_EXAMPLE_EFFECTS: Final = '[{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4, "end": 8}]'


def _openapi_form(properties: dict[str, Any], required: list[str], example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties}
    content = {"multipart/form-data": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    WHOLE_VIDEO_PATH,
    status_code=202,
    responses=_FORM_ERRORS,
    openapi_extra=_openapi_form(
        {"file": _VIDEO, "audio": _FILE | {"description": "The new speech for the whole video."}, **_TEXT_FIELDS},
        ["file", "audio"],
        {"effects": _EXAMPLE_EFFECTS, "display_name": "My first job"},
    ),
    summary="Start a job with one audio for the whole video",
)
async def create_whole_video_job(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> WholeVideoJobCreated:
    """Lip-sync, with the picture repeated until the audio ends (`sync_mode: loop`); then text removal."""
    return to_whole_video_job(
        await create_job_from_form(request, principal, state, idempotency_key, JobForm.WHOLE_VIDEO)
    )


@router.post(
    TEXT_REMOVAL_PATH,
    status_code=202,
    responses=_FORM_ERRORS,
    openapi_extra=_openapi_form(
        {"file": _VIDEO, **_TEXT_FIELDS}, ["file"], {"effects": _EXAMPLE_EFFECTS, "display_name": "My first job"}
    ),
    summary="Start a job for text removal alone",
)
async def create_text_removal_job(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> TextRemovalJobCreated:
    """In the areas; without areas in the whole frame."""
    return to_text_removal_job(
        await create_job_from_form(request, principal, state, idempotency_key, JobForm.TEXT_REMOVAL)
    )


@router.post(
    BATCH_PATH,
    status_code=202,
    responses=_FORM_ERRORS,
    openapi_extra=_openapi_form(
        {
            "files": {"type": "array", "items": _FILE, "description": "The videos; the field is repeated."},
            "user_id": _TEXT_FIELDS["user_id"],
            "callback_url": _TEXT_FIELDS["callback_url"],
        },
        ["files"],
        {},
    ),
    summary="Start a job for each of several videos",
)
async def create_editor_batch(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> BatchCreated:
    """Text is removed from the whole frame of each. A file that fails is an entry without a job id."""
    return to_batch(await create_jobs_from_batch(request, principal, state, idempotency_key))


@router.get(
    "/jobs/job-status/{job_id}", responses=error_responses(401, 403, 404, 429, 503), summary="Status of a job, briefly"
)
async def get_basic_status(job_id: JobId, principal: Reader, state: AppStateDep) -> BasicJobStatus:
    """With the field names of the old system; unlike there, it needs a token."""
    return to_basic_status(await get_owned_job(state, principal, job_id))
