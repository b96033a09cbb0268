"""Jobs from JSON requests, whose files are at links or in finished uploads."""

from typing import Any, Final

from fastapi import APIRouter, Request

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs.creation import IdempotencyKey, create_job_from_json
from deployments.api.request_body import openapi_json_body, read_json_object, reject_content_encoding
from deployments.api.schemas.jobs import JobCreated
from deployments.api.views.status import submission_response
from videojobs.requests.models import JobRequest
from videojobs.states import JobKind

router = APIRouter(tags=["jobs"])

_EXAMPLE: Final[dict[str, Any]] = {
    "video": "https://example.com/talk.mp4",
    "audio": [{"refId": "audio-1", "source": "https://example.com/new-speech.wav"}],
    "segments": [{"startTime": 0, "endTime": 1.8, "audioInput": {"refId": "audio-1"}}],
    "effects": [],
    "display_name": "My first job",
}


@router.post(
    "/jobs",
    status_code=202,
    responses=error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=openapi_json_body(JobRequest, _EXAMPLE),
    summary="Start a job",
)
async def create_job(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> JobCreated:
    """Its files are at https links, or were uploaded before (`/api/v1/uploads`)."""
    reject_content_encoding(request)
    raw = await read_json_object(request)
    job = await create_job_from_json(state, principal, raw, idempotency_key, JobKind.PRO_VIDEO)
    return submission_response(state, job)
