"""A job's progress as server-sent events: `event: job`, with the five status fields and whether it is parked."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from deployments.gateway.access import JobId, Reader, owned
from deployments.gateway.front import Front, TheFront
from deployments.gateway.links import status_of
from deployments.gateway.problems import answers
from videojobs.ledger import VideoJob
from videojobs.states import ENDED

router = APIRouter(tags=["jobs"])

HEARTBEAT: Final = ": still here\n\n"
_EXAMPLE: Final = (
    'event: job\ndata: {"job_id": "7d0c5f0e", "status": "processing", "progress": 75, '
    '"message": "Text inpainting in progress...", "output_url": null, "parked": false}\n\n: still here\n\n'
)
_EVENT: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "allOf": [
                    {"$ref": "#/components/schemas/JobStatus"},
                    {"type": "object", "required": ["parked"], "properties": {"parked": {"type": "boolean"}}},
                ]
            },
        },
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Ends when the job has ended, and after some minutes: come again then.",
        "content": {"text/event-stream": {"itemSchema": _EVENT, "example": _EXAMPLE}},  # as FastAPI documents streams
    }
}


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={**_STREAM, **answers(401, 403, 404, 429, 503)},
    summary="Follow a job",
)
async def events(job_id: JobId, who: Reader, front: TheFront) -> StreamingResponse:
    """How the job stands, at once and after each change. A line of comment now and then keeps the connection open."""
    job = await owned(front, who, job_id)
    front.watch.check_room()
    return stream(_lines(front, job))


def stream(lines: AsyncIterator[str]) -> StreamingResponse:
    """Server-sent events, which no proxy may keep until there are many."""
    return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def event(news: Mapping[str, object]) -> str:
    """One event, as lines of the stream."""
    return f"event: job\ndata: {json.dumps(news)}\n\n"


async def _lines(front: Front, job: VideoJob) -> AsyncIterator[str]:
    until = time.monotonic() + front.door.stream_minutes * 60
    with front.watch.listening(job) as listener:
        yield await _told(front, job)
        now: VideoJob | None = job
        while now is not None and now.status not in ENDED and time.monotonic() < until:
            try:
                async with asyncio.timeout(front.door.heartbeat_seconds):
                    now = await listener.next()
            except TimeoutError:
                yield HEARTBEAT
                continue
            if now is not None:
                yield await _told(front, now)


async def _told(front: Front, job: VideoJob) -> str:
    status = (await status_of(front, job)).model_dump()
    return event({**status, "parked": job.parked_reason is not None})
