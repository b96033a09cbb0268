"""What is new about the jobs of a list, as one stream: a browser opens six connections to a server and no more."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack

from deployments.gateway.events import HEARTBEAT, event
from deployments.gateway.front import Front
from deployments.gateway.telling import message_of
from deployments.gateway.watching import Listener
from videojobs.ledger import VideoJob
from videojobs.states import ENDED


async def news_of(front: Front, jobs: Sequence[VideoJob]) -> AsyncIterator[str]:
    """An event for each change, until all of them have ended; browsers come again after `stream_minutes`."""
    with ExitStack() as listening:
        listeners = [listening.enter_context(front.watch.listening(job)) for job in jobs if job.status not in ENDED]
        waiting = {asyncio.create_task(listener.next()): listener for listener in listeners}
        try:
            async with asyncio.timeout(front.door.stream_minutes * 60):
                async for line in _lines(waiting, front.door.heartbeat_seconds):
                    yield line
        except TimeoutError:
            return
        finally:
            for task in waiting:
                task.cancel()


async def _lines(waiting: dict[asyncio.Task[VideoJob | None], Listener], heartbeat: float) -> AsyncIterator[str]:
    yield ": here\n\n"
    while waiting:
        told, _ = await asyncio.wait(waiting, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED)
        if not told:
            yield HEARTBEAT
        for task in told:
            listener, job = waiting.pop(task), task.result()
            if job is not None:
                yield _told(job)
            if job is not None and job.status not in ENDED:
                waiting[asyncio.create_task(listener.next())] = listener


def _told(job: VideoJob) -> str:
    return event({"job_id": job.id, "progress": job.progress_percentage, "message": message_of(job)})
