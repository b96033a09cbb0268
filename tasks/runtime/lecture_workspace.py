"""The temporary folder in which a run processes a lecture, and the progress of that work.

The folder is deleted when the run ends; what a killed process leaves, the next one deletes
(`videojobs.media.temp_dirs`). Everything in it can be downloaded or computed again.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from tasks.runtime.job_run import JobRun
from tasks.runtime.progress_artifact import report_progress
from videojobs.db import VideoJob
from videojobs.errors import DatabaseUnavailable
from videojobs.lecture.progress import ProgressCallback
from videojobs.lecture.settings import LectureSettings
from videojobs.media.executors import run_long_cpu_bound
from videojobs.media.ingest import download_objects, fetch_to_dir
from videojobs.media.temp_dirs import temporary_dir
from videojobs.media.url_policy import UrlPolicy
from videojobs.progress import progress_within
from videojobs.settings import AccessSettings
from videojobs.storage.object_store import lecture_key

T = TypeVar("T")

_FIRST_REPORT_SECONDS: Final = 0.5  # short lectures show something, too


class Workspace:
    """A run's folder, and `progress_by_step`: the finished share, 0 to 1, of each step in progress."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.progress_by_step: dict[str, float] = {}
        self._video: Path | None = None
        self._fetch_lock = asyncio.Lock()

    async def fetch_video(self, run: JobRun, source: str) -> Path:
        """The video as a file, fetched once per run. Raises InvalidMedia or TransferInterrupted."""
        access = AccessSettings.current()
        async with self._fetch_lock:
            if self._video is None:
                self._video = await fetch_to_dir(
                    source,
                    self.folder,
                    await run.connections.store(),
                    max_bytes=LectureSettings.current().max_bytes,
                    policy=UrlPolicy.for_inputs(access),
                    allow_files=access.allow_local_files,
                )
        return self._video

    async def download(self, run: JobRun, job: VideoJob, names: list[str]) -> None:
        """Download the results of earlier stages that are not in the folder yet."""
        missing = {lecture_key(job.user_id, job.id, name): self.folder / name for name in names}
        missing = {key: path for key, path in missing.items() if not path.exists()}
        if missing:
            await download_objects(await run.connections.store(), missing)


@contextmanager
def open_workspace() -> Iterator[Workspace]:
    """Lasts as long as the context."""
    with temporary_dir() as folder:
        yield Workspace(folder)


async def run_with_progress(
    run: JobRun, workspace: Workspace, step: str, work: Callable[[ProgressCallback, Event], T]
) -> T:
    """Run work that takes minutes, and report its progress. A lost lease or a cancelled caller stops it."""

    def on_progress(share: float) -> None:
        workspace.progress_by_step[step] = share

    workspace.progress_by_step[step] = 0.0
    work_task = asyncio.create_task(run_long_cpu_bound(lambda stop: work(on_progress, stop)))
    report_task = asyncio.create_task(_report_loop(run, workspace))
    try:
        await asyncio.wait({work_task, report_task}, return_when=asyncio.FIRST_COMPLETED)
        if not work_task.done():
            await report_task  # it ends only by an error
        return await work_task
    finally:
        report_task.cancel()
        work_task.cancel()
        await asyncio.wait({work_task, report_task})  # the work uses files in the folder until it ends


async def _report_loop(run: JobRun, workspace: Workspace) -> None:
    """Report to the job's row until cancelled. Raises LeaseLost."""
    repository = await run.connections.repository()
    pause = _FIRST_REPORT_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = LectureSettings.current().progress_interval_seconds
        with suppress(DatabaseUnavailable):
            job = await repository.get_job(run.job_id)
            share = sum(workspace.progress_by_step.values()) / len(workspace.progress_by_step)
            updated_job = await repository.update_progress(
                run.lease, progress_within(job.recovery_point, share), job.progress_message
            )
            report_progress(updated_job)
