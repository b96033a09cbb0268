"""A user's jobs: list, look, cancel, retry, download."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from deployments.gateway.access import Caller, JobId, Reader, Submitter, owned
from deployments.gateway.front import Front, TheFront
from deployments.gateway.links import file_name, has_picture, link, place_of, status_of
from deployments.gateway.problems import Refused, answers, refused_input
from deployments.gateway.shapes import Job, JobPage, JobStatus, JobSummary, What
from deployments.gateway.telling import can_cancel, can_retry, costs, downloads, summary, timeline
from tasks.cancelling import cancellation_message
from videojobs.errors import Problem
from videojobs.ledger import VideoJob
from videojobs.ledger.books import run_of
from videojobs.ledger.listing import Place
from videojobs.request import OWNER_ID
from videojobs.states import Status

router = APIRouter(tags=["jobs"])

_ONE_JOB = answers(401, 403, 404, 429, 503)


@router.get(
    "/video-editors/pro-job/{job_id}/status", responses=_ONE_JOB, tags=["old clients"], summary="How a job stands"
)
async def status(job_id: JobId, who: Reader, front: TheFront) -> JobStatus:
    """The five fields that clients of the old system know."""
    return await status_of(front, await owned(front, who, job_id))


@router.get("/jobs", responses=answers(401, 403, 422, 429, 503), summary="List jobs")
async def jobs(
    who: Reader,
    front: TheFront,
    status: Annotated[Status | None, Query(description="Only jobs with this status.")] = None,
    user: Annotated[str | None, Query(description="Of this user; for admins.", pattern=OWNER_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
    cursor: Annotated[str | None, Query(description="From `next_cursor` of the page before.", max_length=500)] = None,
) -> JobPage:
    """Newest first. An admin sees everybody's."""
    if user is not None and user != who.user_id and not who.is_admin:
        raise Refused(403, "This token shows its own user's jobs only.")
    after = _place(cursor) if cursor else None
    ledger = await front.backing.ledger()
    found = await ledger.jobs_of(user or who.owner, status=status, limit=limit + 1, after=after)
    more = len(found) > limit
    return JobPage(
        jobs=[summary(job) for job in found[:limit]], next_cursor=_cursor(found[limit - 1]) if more else None
    )


@router.get("/jobs/{job_id}", responses=_ONE_JOB, summary="Look at a job")
async def job(job_id: JobId, who: Reader, front: TheFront) -> Job:
    """With what happened to it, and what it costs."""
    found = await owned(front, who, job_id)
    ledger = await front.backing.ledger()
    submissions, events = await ledger.submissions(found.id), await ledger.events(found.id)
    told = dict(summary(found))
    if await has_picture(front, found):
        told["downloads"] = [*told["downloads"], "before_after"]
    return Job(**told, costs=costs(found, submissions), timeline=timeline(events))


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    responses=answers(401, 403, 404, 409, 429, 503),
    summary="Cancel a job",
)
async def cancel(job_id: JobId, who: Submitter, front: TheFront) -> JobSummary:
    """It stops at its next safe point, and then says what is paid for: no vendor can cancel."""
    found = await owned(front, who, job_id)
    if not can_cancel(found):
        why = "it waits for an operator" if found.parked_reason else f"it is {found.status}"
        raise Refused(409, f"This job cannot be cancelled: {why}.")
    return summary(await _cancelled(front, who, found))


async def _cancelled(front: Front, who: Caller, job: VideoJob) -> VideoJob:
    """Its runs are told to stop, and record it themselves. Where none is at work, it is recorded here."""
    stopping = await front.backing.runs.stop(job)
    ledger = await front.backing.ledger()
    if all(run.ended for run in stopping):
        job = await ledger.job(job.id)
        holder = run_of(job.lease_holder) if job.lease_holder else next((run.run_id for run in stopping), "none")
        message = cancellation_message(await ledger.submissions(job.id))
        await ledger.cancel(job.id, holder, message, actor=who.actor)
    return await ledger.job(job.id)


@router.post(
    "/jobs/{job_id}/retry", status_code=202, responses=answers(401, 403, 404, 409, 429, 503), summary="Retry a job"
)
async def retry(job_id: JobId, who: Submitter, front: TheFront) -> JobSummary:
    """From the failed stage: what is stored is kept, and no stage that was delivered is paid for again."""
    found = await owned(front, who, job_id)
    if not can_retry(found):
        raise Refused(409, "Only a job that has failed or was cancelled can be retried.")
    await front.backing.runs.retry(found, f"asked for at the front door by {who.actor}")
    return summary(found)


@router.get(
    "/jobs/{job_id}/download",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {"description": "The file, at a link that works for a while; ranges work there."},
        **answers(401, 403, 404, 422, 429, 503),
    },
    summary="Download a file of a job",
)
async def download(
    job_id: JobId,
    who: Reader,
    front: TheFront,
    what: Annotated[What, Query(description="Which file.")] = "result",
    save: Annotated[bool, Query(description="Browsers save it as a file, instead of playing it.")] = False,
) -> RedirectResponse:
    """A link is signed for each request."""
    found = await owned(front, who, job_id)
    place = place_of(found, what) if what in (*downloads(found), "before_after") else None
    seconds = round(front.door.link_minutes * 60)
    save_as = file_name(found, what, place) if place and save else None
    url = await link(await front.backing.store(found), place, seconds, save_as=save_as) if place else None
    if url is None:
        raise Refused(404, "This job has no such file, or has none yet.")
    return RedirectResponse(url, 307)


# ---- cursors -----------------------------------------------------------------------------------------------


def _cursor(job: VideoJob) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode()


def _place(cursor: str) -> Place:
    try:
        at, _, job_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        created_at = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise _bad_cursor() from None
    if created_at.tzinfo is None or not re.fullmatch(OWNER_ID, job_id):
        raise _bad_cursor()
    return Place(created_at, job_id)


def _bad_cursor() -> Refused:
    problems: Sequence[Problem] = [Problem("cursor", "is not one that a list gave; begin without it")]
    return refused_input(problems)
