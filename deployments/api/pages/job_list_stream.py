"""Progress events of all jobs of a list in one stream: a browser opens six connections to a server at most."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import Final

from fastapi.sse import format_sse_event

from deployments.api.background.job_watcher import Subscription
from deployments.api.dependencies import AppState
from deployments.api.event_streams import HEARTBEAT, job_event
from deployments.api.views.job_view import status_message
from videojobs.db import VideoJob
from videojobs.states import ENDED_STATUSES

_FIRST_COMMENT: Final = format_sse_event(comment="here")  # so that the browser sees the stream open at once


async def stream_job_list(state: AppState, jobs: Sequence[VideoJob]) -> AsyncIterator[bytes]:
    """An event for each change, until all jobs have ended. Browsers reconnect after `stream_minutes`."""
    with ExitStack() as exit_stack:
        subscriptions = [
            exit_stack.enter_context(state.job_watcher.subscribe(job))
            for job in jobs
            if job.status not in ENDED_STATUSES
        ]
        waiting = {asyncio.create_task(subscription.next_change()): subscription for subscription in subscriptions}
        try:
            async with asyncio.timeout(state.settings.stream_minutes * 60):
                async for event in _change_events(waiting, state.settings.heartbeat_seconds):
                    yield event
        except TimeoutError:
            return
        finally:
            for task in waiting:
                task.cancel()


async def _change_events(
    waiting: dict[asyncio.Task[VideoJob | None], Subscription], heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    yield _FIRST_COMMENT
    while waiting:
        done, _ = await asyncio.wait(waiting, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            yield HEARTBEAT
        for task in done:
            subscription, job = waiting.pop(task), task.result()
            if job is not None:
                yield _progress_event(job)
            if job is not None and job.status not in ENDED_STATUSES:
                waiting[asyncio.create_task(subscription.next_change())] = subscription


def _progress_event(job: VideoJob) -> bytes:
    return job_event({"job_id": job.id, "progress": job.progress_percentage, "message": status_message(job)})
