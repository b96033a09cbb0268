"""The endpoints of the old system: a form with its files creates a job."""

from typing import Any, Final

from fastapi import APIRouter, Request

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs import form_creation
from deployments.api.jobs.creation import IdempotencyKey
from deployments.api.schemas.jobs import JobCreated
from deployments.api.uploads.form_receiver import JobForm
from deployments.api.views.status import submission_response
from videojobs.requests.models import CALLBACK_URL_HELP

router = APIRouter()

FORM_PATHS: Final = ("/video-editors/pro-sync-process", "/sync/pro-sync-process")

_OPENAPI_FORM_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The video."},
                        "audio_files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The new speech: a file for each refId, in the order in which the segments "
                            "first name them. A file whose name (with or without its extension) is a refId belongs to "
                            "that refId.",
                        },
                        "segments_data": {"type": "string", "description": "The segments, as JSON text."},
                        "speech": {
                            "enum": ["segments", "whole_video", "none"],
                            "description": "Whose speech is new: that of the segments (the default); of the whole "
                            "video, by one audio file without segments; or none, for text removal only.",
                        },
                        "text_removal": {
                            "enum": ["areas", "whole_frame"],
                            "description": "As in JobRequest.",
                        },
                        "effects": {
                            "type": "string",
                            "description": "The annotation areas, as JSON text. An area may give its position as "
                            "`region: {x, y, width, height}`.",
                        },
                        "options": {"type": "string", "description": "As in JobRequest, as JSON text."},
                        "display_name": {"type": "string", "maxLength": 200},
                        "user_id": {"type": "string", "description": "If given, the token's own user."},
                        "callback_url": {"type": "string", "maxLength": 2048, "description": CALLBACK_URL_HELP},
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
    """Fields and files may come in any order. All mistakes are reported at once."""
    created = await form_creation.create_job_from_form(request, principal, state, idempotency_key, JobForm.PRO_VIDEO)
    return submission_response(state, created.job)
