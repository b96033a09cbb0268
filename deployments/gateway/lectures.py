"""Lectures: sent in with their file or by an address, listed, asked about. All else is the same as for other jobs."""

import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from deployments.gateway.access import Caller, JobId, Reader, Submitter, owned
from deployments.gateway.asking import check_sources, json_object, own
from deployments.gateway.front import Front, TheFront
from deployments.gateway.jobs import cursor_of, place_in, whose
from deployments.gateway.opening import IdempotencyKey, check_encoding, on_the_books, started
from deployments.gateway.problems import Refused, answers
from deployments.gateway.shapes import LectureListed, LecturePage, LectureStanding, LectureStatus, LectureTaken
from deployments.gateway.submitting import from_form
from deployments.gateway.telling import downloads
from videojobs.lecture.intake import parse_lecture
from videojobs.ledger import ClientKey, VideoJob
from videojobs.request import OWNER_ID, fingerprint
from videojobs.settings import Access
from videojobs.states import Status, Work

router = APIRouter(tags=["lectures"])

FORM_PATH: Final = "/lectures/upload"
_SUBMITTED: Final = answers(400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
_STANDING: Final[dict[Status, LectureStanding]] = {
    Status.PENDING: "in_queue",
    Status.PROCESSING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}
_JSON: Final[dict[str, Any]] = {
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
_FORM: Final[dict[str, Any]] = {
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


@router.post("/lectures", status_code=202, responses=_SUBMITTED, openapi_extra=_JSON, summary="Start a lecture")
async def submit(request: Request, who: Submitter, front: TheFront, key: IdempotencyKey = None) -> LectureTaken:
    """Its video lies at an https link, or was sent to the storage before (`/api/v1/uploads`)."""
    check_encoding(request)
    raw = await json_object(request)
    await front.backing.runs.check()
    wanted = parse_lecture(own(raw, who), access=Access(allow_local_files=False))
    ledger = await front.backing.ledger()
    await check_sources(ledger, who, {"video": wanted.video})
    client_key = ClientKey(key, fingerprint(wanted)) if key else None
    job = await on_the_books(front, ledger, str(uuid.uuid4()), wanted, who, client_key)
    await started(front, job)
    return _taken(job)


@router.post(
    FORM_PATH, status_code=202, responses=_SUBMITTED, openapi_extra=_FORM, summary="Start a lecture with its file"
)
async def submit_form(request: Request, who: Submitter, front: TheFront, key: IdempotencyKey = None) -> LectureTaken:
    """The file goes on into the storage while it comes. What is wrong is reported all at once."""
    return _taken(await taken_in(request, who, front, key))


async def taken_in(request: Request, who: Caller, front: Front, key: str | None) -> VideoJob:
    """The job that a form has become, with a run."""
    check_encoding(request)
    await front.backing.runs.check()
    with front.room.place(who.user_id):
        job = await from_form(request, who, front, key, Work.LECTURE)
    await started(front, job)
    return job


@router.get("/lectures", responses=answers(401, 403, 422, 429, 503), summary="List lectures")
async def lectures(
    who: Reader,
    front: TheFront,
    status: Annotated[LectureStanding | None, Query(description="Only lectures with this status.")] = None,
    user: Annotated[str | None, Query(description="Of this user; for admins.", pattern=OWNER_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
    cursor: Annotated[str | None, Query(description="From `next_cursor` of the page before.", max_length=500)] = None,
) -> LecturePage:
    """Newest first. An admin sees everybody's."""
    statuses = [ours for ours, theirs in _STANDING.items() if theirs == status]
    owner, after = whose(who, user), place_in(cursor) if cursor else None
    ledger = await front.backing.ledger()
    found = await ledger.jobs_of(owner, statuses=statuses, work=Work.LECTURE, limit=limit + 1, after=after)
    shown = found[:limit]
    return LecturePage(
        lectures=[_listed(job) for job in shown], next_cursor=cursor_of(shown[-1]) if len(found) > limit else None
    )


@router.get("/lectures/{job_id}/status", responses=answers(401, 403, 404, 429, 503), summary="How a lecture stands")
async def status(job_id: JobId, who: Reader, front: TheFront) -> LectureStatus:
    """To follow it without asking again and again, there is `/api/v1/jobs/{job_id}/events`."""
    job = await owned(front, who, job_id)
    if job.work is not Work.LECTURE:
        raise Refused(404, "This job is no lecture.")
    return _status(job)


def _listed(job: VideoJob) -> LectureListed:
    return LectureListed(
        **_status(job).model_dump(),
        user_id=job.user_id,
        display_name=job.display_name,
        created_at=job.created_at,
        completed_at=job.completed_at,
    )


def _status(job: VideoJob) -> LectureStatus:
    return LectureStatus(
        job_id=job.id,
        status=_STANDING[Status(job.status)],
        progress=job.progress_percentage,
        message=job.progress_message,
        error=job.error_message,
        slides=job.facts.get("slides"),
        downloads=downloads(job),
    )


def _taken(job: VideoJob) -> LectureTaken:
    return LectureTaken(**_status(job).model_dump(), status_url=f"/api/v1/lectures/{job.id}/status")
