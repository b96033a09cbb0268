"""Progress in the two places where people look: the log, and a progress artifact on the run's page.

The third place, the job's row, is the truth; these two follow it. A window that cannot be painted is no reason to
stop a paid job, so what goes wrong here is logged and forgotten.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.logging import get_run_logger

from videojobs.ledger import VideoJob


@dataclass
class _Board:
    artifact: UUID
    shown: tuple[int, str]


_board: ContextVar[_Board | None] = ContextVar("progress_board", default=None)


async def open_board(job: VideoJob) -> None:
    """Put the job's progress on the page of the flow run that calls this."""
    try:
        artifact = await acreate_progress_artifact(
            progress=float(job.progress_percentage),
            key=f"progress-{slug(job.id)}",
            description=job.progress_message,
        )
    except Exception as error:
        get_run_logger().warning("The progress artifact could not be made: %s", error)
        return
    _board.set(_Board(artifact, (job.progress_percentage, job.progress_message)))


async def show(job: VideoJob) -> None:
    """Log and paint where the job stands, if that is news."""
    news = (job.progress_percentage, job.progress_message)
    board = _board.get()
    if board is not None and board.shown == news:
        return
    get_run_logger().info("Job %s: %d%% %s", job.id, *news)
    if board is None:
        return
    board.shown = news
    try:
        await aupdate_progress_artifact(board.artifact, progress=float(news[0]), description=news[1])
    except Exception as error:
        get_run_logger().warning("The progress artifact could not be updated: %s", error)


def slug(job_id: str) -> str:
    """Artifact keys take lower-case letters, digits and dashes only."""
    return "".join(letter if letter.isalnum() else "-" for letter in job_id.lower())
