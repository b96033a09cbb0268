"""Lectures: sent in with their file or by an address, listed, asked about. All else is the same as for other jobs."""

import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from deployments.api.auth import JobId, Principal, Reader, Submitter, get_owned_job
from deployments.api.background.job_creation import IdempotencyKey, create_job, launch_run, reject_content_encoding
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import ApiError, error_responses
from deployments.api.routes.job_forms import create_from_form
from deployments.api.routes.job_requests import read_json_object, require_own_uploads, with_owner
from deployments.api.routes.jobs import decode_cursor, encode_cursor, resolve_owner
from deployments.api.schemas.jobs import LectureCreated, LecturePage, LectureState, LectureStatus, LectureSummary
from deployments.api.views.job_view import available_downloads
from videojobs.db import ClientKey, VideoJob
from videojobs.lecture.parsing import parse_lecture
from videojobs.requests.models import ID_PATTERN, fingerprint
from videojobs.settings import AccessSettings
from videojobs.states import JobKind, Status

router = APIRouter(tags=["lectures"])

FORM_PATH: Final = "/lectures/upload"
_SUBMIT_ERRORS: Final = error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
_LECTURE_STATES: Final[dict[Status, LectureState]] = {
    Status.PENDING: "in_queue",
    Status.PROCESSING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}
_OPENAPI_JSON_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/LectureRequest"},
                "example": {"video": "https://example.com/lecture.mp4", "display_name": "On water"},
            }
        },
    }
}
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
                            "description": "Instead of options: when no speech can be recognised.",
                        },
                        "display_name": {"type": "string", "maxLength": 200},
                        "user_id": {"type": "string", "description": "If given, the token's own user."},
                    },
                },
                "example": {"display_name": "On water"},
            }
        },
    }
}


@router.post(
    "/lectures", status_code=202, responses=_SUBMIT_ERRORS, openapi_extra=_OPENAPI_JSON_BODY, summary="Start a lecture"
)
async def create_lecture_from_json(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> LectureCreated:
    """Its video lies at an https link, or was sent to the storage before (`/api/v1/uploads`)."""
    reject_content_encoding(request)
    raw = await read_json_object(request)
    await state.services.runs.ping()
    lecture_request = parse_lecture(with_owner(raw, principal), access=AccessSettings(allow_local_files=False))
    repository = await state.services.repository()
    await require_own_uploads(repository, principal, {"video": lecture_request.video})
    client_key = ClientKey(idempotency_key, fingerprint(lecture_request)) if idempotency_key else None
    job = await create_job(state, repository, str(uuid.uuid4()), lecture_request, principal, client_key)
    await launch_run(state, job)
    return _to_created(job)


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
    """The file goes on into the storage while it comes. What is wrong is reported all at once."""
    return _to_created(await create_lecture_job(request, principal, state, idempotency_key))


async def create_lecture_job(
    request: Request, principal: Principal, state: AppState, idempotency_key: str | None
) -> VideoJob:
    """The job that a form has become, with a run."""
    reject_content_encoding(request)
    await state.services.runs.ping()
    with state.upload_pool.admit(principal.user_id):
        job = await create_from_form(request, principal, state, idempotency_key, JobKind.LECTURE)
    await launch_run(state, job)
    return job


@router.get("/lectures", responses=error_responses(401, 403, 422, 429, 503), summary="List lectures")
async def list_lectures(
    principal: Reader,
    state: AppStateDep,
    status: Annotated[LectureState | None, Query(description="Only lectures with this status.")] = None,
    user: Annotated[str | None, Query(description="Of this user; for admins.", pattern=ID_PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
    cursor: Annotated[str | None, Query(description="From `next_cursor` of the page before.", max_length=500)] = None,
) -> LecturePage:
    """Newest first. An admin sees everybody's."""
    statuses = [ours for ours, theirs in _LECTURE_STATES.items() if theirs == status]
    owner, after = resolve_owner(principal, user), decode_cursor(cursor) if cursor else None
    repository = await state.services.repository()
    found = await repository.list_jobs(owner, statuses=statuses, kind=JobKind.LECTURE, limit=limit + 1, after=after)
    page = found[:limit]
    return LecturePage(
        lectures=[_to_summary(job) for job in page], next_cursor=encode_cursor(page[-1]) if len(found) > limit else None
    )


@router.get(
    "/lectures/{job_id}/status", responses=error_responses(401, 403, 404, 429, 503), summary="How a lecture stands"
)
async def get_lecture_status(job_id: JobId, principal: Reader, state: AppStateDep) -> LectureStatus:
    """To follow it without asking again and again, there is `/api/v1/jobs/{job_id}/events`."""
    job = await get_owned_job(state, principal, job_id)
    if job.job_kind is not JobKind.LECTURE:
        raise ApiError(404, "This job is no lecture.")
    return _to_status(job)


def _to_summary(job: VideoJob) -> LectureSummary:
    return LectureSummary(
        **_to_status(job).model_dump(),
        user_id=job.user_id,
        display_name=job.display_name,
        created_at=job.created_at,
        completed_at=job.completed_at,
    )


def _to_status(job: VideoJob) -> LectureStatus:
    return LectureStatus(
        job_id=job.id,
        status=_LECTURE_STATES[Status(job.status)],
        progress=job.progress_percentage,
        message=job.progress_message,
        error=job.error_message,
        slides=job.facts.slides,
        downloads=available_downloads(job),
    )


def _to_created(job: VideoJob) -> LectureCreated:
    return LectureCreated(**_to_status(job).model_dump(), status_url=f"/api/v1/lectures/{job.id}/status")
