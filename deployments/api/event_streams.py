"""Server-sent events about jobs. Comment lines keep proxies from closing a silent connection."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from fastapi.sse import EventSourceResponse, format_sse_event

from deployments.api.dependencies import AppState
from deployments.api.views.status import build_status
from videojobs.db import VideoJob
from videojobs.states import ENDED_STATUSES

HEARTBEAT: Final = format_sse_event(comment="still here")


def event_stream_response(events: AsyncIterator[bytes]) -> EventSourceResponse:
    """The response. Its header keeps nginx from buffering it."""
    return EventSourceResponse(events, headers={"X-Accel-Buffering": "no"})


def job_event(data: Mapping[str, object]) -> bytes:
    """One `job` event."""
    return format_sse_event(event="job", data_str=json.dumps(data))


async def job_events(state: AppState, job: VideoJob) -> AsyncIterator[bytes]:
    """The job's status now and after each change, until the job ends or `stream_minutes` are over."""
    deadline = time.monotonic() + state.settings.stream_minutes * 60
    with state.job_watcher.subscribe(job) as subscription:
        yield _status_event(state, job)
        current: VideoJob | None = job
        while current is not None and current.status not in ENDED_STATUSES and time.monotonic() < deadline:
            try:
                async with asyncio.timeout(state.settings.heartbeat_seconds):
                    current = await subscription.next_change()
            except TimeoutError:
                yield HEARTBEAT
                continue
            if current is not None:
                yield _status_event(state, current)


def _status_event(state: AppState, job: VideoJob) -> bytes:
    status = build_status(state, job).model_dump()
    return job_event({**status, "parked": job.parked_reason is not None})
