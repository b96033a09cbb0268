"""Progress for people: in the log, and as a progress artifact on the run's page.

Both follow the job's row. A paid job must neither fail nor wait because of them: errors are only logged, and the
artifact is written in the background. Of the updates that come while it is written, and in the second after it, only
the last one is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.logging import get_run_logger

from videojobs.db import VideoJob

FINAL_FLUSH_SECONDS: Final = 10.0  # how long the end of a run waits for the last update
# Between two updates. Each is a request to and an event of the Prefect server, and a job begins with five.
MIN_UPDATE_INTERVAL_SECONDS: Final = 1.0

_Progress = tuple[int, str]


class _ProgressArtifact:
    """The progress artifact of one flow run."""

    def __init__(self, key: str, progress: _Progress) -> None:
        self.progress = progress
        self._key = key
        self._artifact_id: UUID | None = None
        self._context = copy_context()
        self._closing = asyncio.Event()
        self._flush_task = self._start_flush()

    def update(self, progress: _Progress) -> None:
        self.progress = progress
        if self._flush_task.done():
            self._flush_task = self._start_flush()

    async def close(self) -> None:
        self._closing.set()
        await asyncio.wait([self._flush_task], timeout=FINAL_FLUSH_SECONDS)
        self._flush_task.cancel()

    def _start_flush(self) -> asyncio.Task[None]:
        """In the flow's context: in that of the reporting step, all objects of the step would be kept alive."""
        return asyncio.create_task(self._flush(), context=self._context)

    async def _flush(self) -> None:
        flushed = None
        while flushed != self.progress:
            flushed = self.progress
            try:
                await self._write_artifact(*flushed)
            except Exception as error:
                get_run_logger().warning("Cannot update the progress artifact: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), MIN_UPDATE_INTERVAL_SECONDS)

    async def _write_artifact(self, percent: int, message: str) -> None:
        if self._artifact_id is None:
            self._artifact_id = await acreate_progress_artifact(float(percent), key=self._key, description=message)
        else:
            await aupdate_progress_artifact(self._artifact_id, progress=float(percent), description=message)


_current_artifact: ContextVar[_ProgressArtifact | None] = ContextVar("progress_artifact", default=None)


@asynccontextmanager
async def progress_artifact(job: VideoJob) -> AsyncIterator[None]:
    """Add a progress artifact to the flow run that calls this; `report_progress` updates it."""
    artifact = _ProgressArtifact(f"progress-{slugify(job.id)}", (job.progress_percentage, job.progress_message))
    del job  # as large as its request, and this lasts for hours
    _current_artifact.set(artifact)
    try:
        yield
    finally:
        await artifact.close()


def report_progress(job: VideoJob) -> None:
    """Log the job's progress and update the artifact, if it has changed."""
    progress = (job.progress_percentage, job.progress_message)
    artifact = _current_artifact.get()
    if artifact is not None and artifact.progress == progress:
        return
    get_run_logger().info("Job %s: %d%% %s", job.id, *progress)
    if artifact is not None:
        artifact.update(progress)


def slugify(job_id: str) -> str:
    """Artifact keys take lower-case letters, digits and dashes only."""
    return "".join(char if char.isalnum() else "-" for char in job_id.lower())
