"""What a job would cost, before it is submitted."""

from fastapi import APIRouter, Request

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs.estimate import estimate_job
from deployments.api.request_body import openapi_json_body, read_json_object, reject_content_encoding
from deployments.api.schemas.estimates import JobEstimate
from deployments.api.views.estimate_view import to_job_estimate
from videojobs.requests.models import JobRequest

router = APIRouter(tags=["jobs"])


@router.post(
    "/jobs/estimate",
    responses=error_responses(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=openapi_json_body(JobRequest),
    summary="Estimate a job",
)
async def estimate_pro_video(request: Request, principal: Submitter, state: AppStateDep) -> JobEstimate:
    """Takes the body of `POST /api/v1/jobs`. Fetches and decodes the files, but starts and stores nothing."""
    reject_content_encoding(request)
    raw = await read_json_object(request)
    return to_job_estimate(await estimate_job(state, principal, raw))
