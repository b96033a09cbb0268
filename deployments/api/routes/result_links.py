"""`/d/{token}`: a link to a job's result that needs no other token, and its revocation."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse

from deployments.api.auth import JobId, Submitter, client_address, get_owned_job
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import ApiError, error_responses, too_many_requests
from deployments.api.jobs.management import revoke_links
from deployments.api.middleware.request_context import bind_job
from deployments.api.result_links import LINK_PATTERN, LINK_PREFIX, LinkToken
from deployments.api.schemas.jobs import LinksRevoked
from deployments.api.views.status import presign_output
from videojobs.db import VideoJob
from videojobs.errors import UnknownJob

open_router = APIRouter(tags=["jobs"])
router = APIRouter(tags=["jobs"])


@open_router.get(
    f"{LINK_PREFIX}/{{token}}",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {"description": "A fresh link into the storage. It supports range requests."},
        **error_responses(404, 422, 429, 503),
    },
    summary="Open a result by its link",
)
async def open_result(
    token: Annotated[str, Path(description="The last part of an `output_url`. It is a secret.", pattern=LINK_PATTERN)],
    request: Request,
    state: AppStateDep,
    download: Annotated[Literal["0", "1"], Query(description="1: browsers save the file instead of playing it.")] = "0",
) -> RedirectResponse:
    """Needs no other token. Every call redirects to a fresh link."""
    job = await _find_job(state, token, client_address(request))
    bind_job(job.id)
    if wait := state.request_buckets.take(("link", job.id)):
        raise too_many_requests(wait, "Too many requests with this link.")
    url = await presign_output(state, job, save=download == "1")
    if url is None:
        raise _invalid_link()
    # Pages of other origins may embed the video: whoever has the link may see it.
    return RedirectResponse(url, 307, headers={"Cross-Origin-Resource-Policy": "cross-origin"})


async def _find_job(state: AppState, text: str, address: str) -> VideoJob:
    """The job of a valid link. Raises ApiError; guesses are limited by address, before the database is queried."""
    if wait := state.auth_failure_buckets.seconds_until_allowed(address):
        raise too_many_requests(wait, "Too many invalid links from this address.")
    token = LinkToken.parse(text)
    if token is None or not (job := await _load_job(state, token.job_id)) or not token.is_signed_by(job):
        state.auth_failure_buckets.take(address)
        raise _invalid_link()
    if token.is_expired:
        raise _invalid_link()
    return job


async def _load_job(state: AppState, job_id: str) -> VideoJob | None:
    try:
        return await (await state.services.repository()).get_job(job_id)
    except UnknownJob:
        return None


def _invalid_link() -> ApiError:
    """The same in all cases: a guess must not show which jobs exist."""
    detail = "This link is not valid: it has expired, was revoked, or its job was deleted. Get a new one from the job."
    return ApiError(404, detail, code="invalid_link")


@router.post(
    "/jobs/{job_id}/links/revoke",
    responses=error_responses(401, 403, 404, 429, 503),
    summary="Revoke the links to a result",
)
async def revoke_result_links(job_id: JobId, principal: Submitter, state: AppStateDep) -> LinksRevoked:
    """Every `output_url` that was given out before becomes invalid. Storage links that were opened with one last until
    they expire (`VIDEOJOBS_API_DOWNLOAD_URL_TTL_MINUTES`)."""
    await revoke_links(state, principal, await get_owned_job(state, principal, job_id))
    return LinksRevoked(job_id=job_id, message="All links to the result are revoked. New ones work.")
