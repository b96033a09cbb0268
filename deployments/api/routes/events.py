"""A job's progress as server-sent events: `event: job`, with the five status fields and whether it is parked."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from deployments.api.auth import JobId, Reader, get_owned_job
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import error_responses
from deployments.api.views.status import build_status
from videojobs.db import VideoJob
from videojobs.states import ENDED_STATUSES

router = APIRouter(tags=["jobs"])

HEARTBEAT_COMMENT: Final = ": still here\n\n"
_EVENT_EXAMPLE: Final = (
    'event: job\ndata: {"job_id": "7d0c5f0e", "status": "processing", "progress": 75, '
    '"message": "Text inpainting in progress...", "output_url": null, "parked": false}\n\n: still here\n\n'
)
_EVENT_SCHEMA: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "allOf": [
                    {"$ref": "#/components/schemas/JobStatusResponse"},
                    {"type": "object", "required": ["parked"], "properties": {"parked": {"type": "boolean"}}},
                ]
            },
        },
    },
}
_STREAM_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Ends when the job has ended, and after some minutes: come again then.",
        "content": {
            "text/event-stream": {"itemSchema": _EVENT_SCHEMA, "example": _EVENT_EXAMPLE}
        },  # as FastAPI documents streams
    }
}


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={**_STREAM_RESPONSE, **error_responses(401, 403, 404, 429, 503)},
    summary="Follow a job",
)
async def stream_job_events(job_id: JobId, principal: Reader, state: AppStateDep) -> StreamingResponse:
    """How the job stands, at once and after each change. A line of comment now and then keeps the connection open."""
    job = await get_owned_job(state, principal, job_id)
    state.job_watcher.check_capacity()
    return event_stream_response(_job_events(state, job))


def event_stream_response(lines: AsyncIterator[str]) -> StreamingResponse:
    """Server-sent events, which no proxy may keep until there are many."""
    return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def format_event(data: Mapping[str, object]) -> str:
    """One event, as lines of the stream."""
    return f"event: job\ndata: {json.dumps(data)}\n\n"


async def _job_events(state: AppState, job: VideoJob) -> AsyncIterator[str]:
    deadline = time.monotonic() + state.settings.stream_minutes * 60
    with state.job_watcher.subscribe(job) as subscription:
        yield await _status_event(state, job)
        current: VideoJob | None = job
        while current is not None and current.status not in ENDED_STATUSES and time.monotonic() < deadline:
            try:
                async with asyncio.timeout(state.settings.heartbeat_seconds):
                    current = await subscription.next_change()
            except TimeoutError:
                yield HEARTBEAT_COMMENT
                continue
            if current is not None:
                yield await _status_event(state, current)


async def _status_event(state: AppState, job: VideoJob) -> str:
    status = (await build_status(state, job)).model_dump()
    return format_event({**status, "parked": job.parked_reason is not None})
