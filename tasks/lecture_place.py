"""Where a run works on a lecture: a folder of its own with the video and what is made of it, and how far it is.

The folder goes when the run ends, however it ends; what a killed process leaves, the next one removes
(`videojobs.media.scratch`). Everything in it can be had again from the storage.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from tasks.progress import show
from tasks.run import JobRun
from videojobs.errors import LedgerUnavailable
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.work import Progress
from videojobs.ledger import VideoJob
from videojobs.media.reach import Reach
from videojobs.media.scratch import scratch_folder
from videojobs.media.sources import brought, load_all
from videojobs.media.store import lecture_key
from videojobs.media.workbench import at_the_long_bench
from videojobs.settings import Access
from videojobs.states import progress_within

T = TypeVar("T")

_FIRST_NEWS_SECONDS: Final = 0.5  # short lectures show something, too


class Place:
    """A run's folder, and `shares`: how much is done of each of the steps that go on now, 0 to 1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shares: dict[str, float] = {}
        self._video: Path | None = None
        self._bringing = asyncio.Lock()

    async def bring(self, run: JobRun, source: str) -> Path:
        """The video as a file, brought once in a run. Raises InvalidMedia or TransferInterrupted."""
        access = Access()
        async with self._bringing:
            if self._video is None:
                self._video = await brought(
                    source,
                    self.folder,
                    await run.connections.store(),
                    max_bytes=LectureSettings().max_bytes,
                    reach=Reach.of_inputs(access),
                    allow_files=access.allow_local_files,
                )
        return self._video

    async def load(self, run: JobRun, job: VideoJob, names: list[str]) -> None:
        """What earlier stages have stored, as far as it is not here already."""
        missing = {lecture_key(job.user_id, job.id, name): self.folder / name for name in names}
        missing = {key: path for key, path in missing.items() if not path.exists()}
        if missing:
            await load_all(await run.connections.store(), missing)


@contextmanager
def place_to_work() -> Iterator[Place]:
    """For as long as the context lasts."""
    with scratch_folder() as folder:
        yield Place(folder)


async def at_length(run: JobRun, place: Place, part: str, work: Callable[[Progress, Event], T]) -> T:
    """Do what takes minutes, and tell how far it is. Whoever loses the lease, or is cancelled, stops the work."""

    def progress(share: float) -> None:
        place.shares[part] = share

    place.shares[part] = 0.0
    doing = asyncio.create_task(at_the_long_bench(lambda stop: work(progress, stop)))
    telling = asyncio.create_task(_tell(run, place))
    try:
        await asyncio.wait({doing, telling}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            await telling  # it ends only by an error
        return await doing
    finally:
        telling.cancel()
        doing.cancel()
        await asyncio.wait({doing, telling})  # nobody takes away the files of work that goes on


async def _tell(run: JobRun, place: Place) -> None:
    """Into the job's row, for ever. Raises LeaseLost."""
    ledger = await run.connections.ledger()
    pause = _FIRST_NEWS_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = LectureSettings().news_seconds
        with suppress(LedgerUnavailable):
            job = await ledger.job(run.job_id)
            share = sum(place.shares.values()) / len(place.shares)
            told = await ledger.tell(run.lease, progress_within(job.point, share), job.progress_message)
            show(told)
