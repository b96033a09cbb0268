"""What is new about the jobs of a list, as one stream: a browser opens six connections to a server and no more."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack

from deployments.api.background.job_watcher import Subscription
from deployments.api.dependencies import AppState
from deployments.api.routes.events import HEARTBEAT_COMMENT, format_event
from deployments.api.views.job_view import status_message
from videojobs.db import VideoJob
from videojobs.states import ENDED_STATUSES


async def list_events(state: AppState, jobs: Sequence[VideoJob]) -> AsyncIterator[str]:
    """An event for each change, until all of them have ended; browsers come again after `stream_minutes`."""
    with ExitStack() as exit_stack:
        subscriptions = [
            exit_stack.enter_context(state.job_watcher.subscribe(job))
            for job in jobs
            if job.status not in ENDED_STATUSES
        ]
        waiting = {asyncio.create_task(subscription.next_change()): subscription for subscription in subscriptions}
        try:
            async with asyncio.timeout(state.settings.stream_minutes * 60):
                async for event_text in _change_events(waiting, state.settings.heartbeat_seconds):
                    yield event_text
        except TimeoutError:
            return
        finally:
            for task in waiting:
                task.cancel()


async def _change_events(
    waiting: dict[asyncio.Task[VideoJob | None], Subscription], heartbeat_seconds: float
) -> AsyncIterator[str]:
    yield ": here\n\n"
    while waiting:
        done, _ = await asyncio.wait(waiting, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            yield HEARTBEAT_COMMENT
        for task in done:
            subscription, job = waiting.pop(task), task.result()
            if job is not None:
                yield _progress_event(job)
            if job is not None and job.status not in ENDED_STATUSES:
                waiting[asyncio.create_task(subscription.next_change())] = subscription


def _progress_event(job: VideoJob) -> str:
    return format_event({"job_id": job.id, "progress": job.progress_percentage, "message": status_message(job)})
