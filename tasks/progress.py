"""Progress in the two places where people look: the log, and a progress artifact on the run's page.

The third place, the job's row, is the truth; these two follow it. A window that cannot be painted is no reason to
stop a paid job, so what goes wrong here is logged and forgotten. Nor is it a reason to wait: the job goes on while the
Prefect server is told, and of what happens meanwhile, and in the second after it, only the last is told.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.logging import get_run_logger

from videojobs.ledger import VideoJob

LAST_SECONDS: Final = 10.0  # that the end of a run waits for its last picture
# From one picture to the next. Each is a request and an event of the Prefect server, and a job begins with five.
PAUSE_SECONDS: Final = 1.0

_News = tuple[int, str]


class _Board:
    """The progress artifact of one flow run."""

    def __init__(self, key: str, news: _News) -> None:
        self.news = news
        self._key = key
        self._artifact: UUID | None = None
        self._context = copy_context()
        self._ending = asyncio.Event()
        self._painting = self._begin()

    def put(self, news: _News) -> None:
        self.news = news
        if self._painting.done():
            self._painting = self._begin()

    async def finish(self) -> None:
        self._ending.set()
        await asyncio.wait([self._painting], timeout=LAST_SECONDS)
        self._painting.cancel()

    def _begin(self) -> asyncio.Task[None]:
        """In the context of the flow: in that of the step which has news, all of that step would be kept with it."""
        return asyncio.create_task(self._paint(), context=self._context)

    async def _paint(self) -> None:
        painted = None
        while painted != self.news:
            painted = self.news
            try:
                await self._show(*painted)
            except Exception as error:
                get_run_logger().warning("The progress artifact is not up to date: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), PAUSE_SECONDS)

    async def _show(self, percent: int, message: str) -> None:
        if self._artifact is None:
            self._artifact = await acreate_progress_artifact(float(percent), key=self._key, description=message)
        else:
            await aupdate_progress_artifact(self._artifact, progress=float(percent), description=message)


_board: ContextVar[_Board | None] = ContextVar("progress_board", default=None)


@asynccontextmanager
async def progress_board(job: VideoJob) -> AsyncIterator[None]:
    """Put the job's progress on the page of the flow run that calls this; `show` keeps it up to date."""
    board = _Board(f"progress-{slug(job.id)}", (job.progress_percentage, job.progress_message))
    del job  # as large as its request, and this lasts for hours
    _board.set(board)
    try:
        yield
    finally:
        await board.finish()


def show(job: VideoJob) -> None:
    """Log and paint where the job stands, if that is news."""
    news = (job.progress_percentage, job.progress_message)
    board = _board.get()
    if board is not None and board.news == news:
        return
    get_run_logger().info("Job %s: %d%% %s", job.id, *news)
    if board is not None:
        board.put(news)


def slug(job_id: str) -> str:
    """Artifact keys take lower-case letters, digits and dashes only."""
    return "".join(letter if letter.isalnum() else "-" for letter in job_id.lower())
