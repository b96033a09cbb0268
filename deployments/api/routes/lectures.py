"""Lectures: start, list, status. Everything else works as for other jobs."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from deployments.api.auth import JobId, Reader, Submitter, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import ApiError, error_responses
from deployments.api.jobs import management
from deployments.api.jobs.creation import IdempotencyKey, create_job_from_json
from deployments.api.jobs.form_creation import create_job_from_form
from deployments.api.request_body import openapi_json_body, read_json_object, reject_content_encoding
from deployments.api.schemas.lectures import LectureCreated, LecturePage, LectureState, LectureStatus
from deployments.api.uploads.form_receiver import JobForm
from deployments.api.views.lecture_view import (
    statuses_of,
    to_created_lecture,
    to_lecture_status,
    to_lecture_summary,
)
from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import CALLBACK_URL_HELP, ID_PATTERN
from videojobs.states import JobKind

router = APIRouter(tags=["lectures"])

FORM_PATH: Final = "/lectures/upload"
_SUBMIT_ERRORS: Final = error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
_EXAMPLE: Final[dict[str, Any]] = {"video": "https://example.com/lecture.mp4", "display_name": "On water"}
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
                        "options": {"type": "string", "description": "As in LectureRequest, as JSON text."},
                        "language": {"type": "string", "description": "Instead of options: the spoken language."},
                        "without_speech": {
                            "enum": ["fail", "continue"],
                            "description": "Instead of options: what to do if no speech can be recognised.",
                        },
                        "display_name": {"type": "string", "maxLength": 200},
                        "user_id": {"type": "string", "description": "If given, the token's own user."},
                        "callback_url": {"type": "string", "maxLength": 2048, "description": CALLBACK_URL_HELP},
                    },
                },
                "example": {"display_name": "On water"},
            }
        },
    }
}


@router.post(
    "/lectures",
    status_code=202,
    responses=_SUBMIT_ERRORS,
    openapi_extra=openapi_json_body(LectureRequest, _EXAMPLE),
    summary="Start a lecture",
)
async def create_lecture(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> LectureCreated:
    """Its video is at an https link, or was uploaded before (`/api/v1/uploads`)."""
    reject_content_encoding(request)
    raw = await read_json_object(request)
    return to_created_lecture(await create_job_from_json(state, principal, raw, idempotency_key, JobKind.LECTURE))


@router.post(
    FORM_PATH,
    status_code=202,
    responses=_SUBMIT_ERRORS,
    openapi_extra=_OPENAPI_FORM_BODY,
    summary="Start a lecture with its file",
)
async def create_lecture_from_form(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> LectureCreated:
    """The file is streamed to the storage. All mistakes are reported at once."""
    created = await create_job_from_form(request, principal, state, idempotency_key, JobForm.LECTURE)
    return to_created_lecture(created.job)


@router.get("/lectures", responses=error_responses(401, 403, 422, 429, 503), summary="List lectures")
async def list_lectures(
    principal: Reader,
    state: AppStateDep,
    status: Annotated[LectureState | None, Query(description="Only lectures with this status.")] = None,
    user: Annotated[str | None, Query(description="Of this user; for admins.", pattern=ID_PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of lectures.")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the previous page.", max_length=500)] = None,
) -> LecturePage:
    """Newest first. Admins see the lectures of all users."""
    statuses = statuses_of(status) if status else ()
    found = await management.list_jobs(
        state, principal, statuses=statuses, kind=JobKind.LECTURE, user=user, limit=limit, cursor=cursor
    )
    return LecturePage(lectures=[to_lecture_summary(job) for job in found.jobs], next_cursor=found.next_cursor)


@router.get(
    "/lectures/{job_id}/status", responses=error_responses(401, 403, 404, 429, 503), summary="Status of a lecture"
)
async def get_lecture_status(job_id: JobId, principal: Reader, state: AppStateDep) -> LectureStatus:
    """To follow a lecture without polling, use `/api/v1/jobs/{job_id}/events`."""
    job = await get_owned_job(state, principal, job_id)
    if job.kind is not JobKind.LECTURE:
        raise ApiError(404, "This job is not a lecture.")
    return to_lecture_status(job)
