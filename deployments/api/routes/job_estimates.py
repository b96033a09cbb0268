"""What a job would cost, before it is submitted."""

from typing import Any, Final

from fastapi import APIRouter, Request

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs.estimate import estimate_job
from deployments.api.request_body import read_json_object, reject_content_encoding
from deployments.api.schemas.estimates import JobEstimate
from deployments.api.views.estimate_view import to_job_estimate

router = APIRouter(tags=["jobs"])

# Any object is taken: what is wrong with it is the answer, not an error.
_REQUEST: Final = {"anyOf": [{"$ref": "#/components/schemas/JobRequest"}, {"type": "object"}]}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}}
}


@router.post(
    "/jobs/estimate",
    responses=error_responses(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=_BODY,
    summary="Estimate a job",
)
async def estimate_pro_video(request: Request, principal: Submitter, state: AppStateDep) -> JobEstimate:
    """Takes the body of `POST /api/v1/jobs`. Fetches and decodes the files, but starts and stores nothing."""
    reject_content_encoding(request)
    raw = await read_json_object(request)
    return to_job_estimate(await estimate_job(state, principal, raw))
