"""Transactions on the job state, and the small things that all verbs share.

Every verb that moves a job locks its row first and checks that the caller still holds the lease, so two runs of one
job cannot both act. Each change leaves one event. No transaction is open during a vendor call.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from videojobs.errors import LeaseLost, LedgerUnavailable, VideoJobError
from videojobs.faults import fault_point
from videojobs.ledger.tables import LIVE, JobEvent, Json, Submission, VideoJob
from videojobs.states import RULES, Point, Stage, Status, allowed, arrival, reached, submitted_for

NOW = func.clock_timestamp()


class UnknownJob(VideoJobError):
    """No job has this id."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: `holder` names one attempt of one run, as `{flow run id}/{run count}`."""

    job_id: str
    holder: str

    @property
    def run_id(self) -> str:
        """The flow run, whichever of its attempts."""
        return run_of(self.holder)


def run_of(holder: str) -> str:
    """The flow run behind the holder of a lease."""
    return holder.partition("/")[0]


class Books:
    """Opens transactions on an engine of `videojobs.ledger.connection`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def address(self) -> str:
        """Which database it is. A secret: it holds the password."""
        return self._engine.url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AsyncSession]:
        """A connection lost, or not to be had, becomes LedgerUnavailable: whether a commit got through is open then."""
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            if (reason := _unavailable(error)) is None:
                raise
            raise LedgerUnavailable(f"the job database {reason}") from error

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncSession]:
        """To look; every query sees what is committed by then."""
        async with self._opened() as session:
            # Each query by itself: a transaction around it would take two more ways to Postgres and back.
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session

    @asynccontextmanager
    async def _aside(self) -> AsyncIterator[AsyncSession]:
        """To write what is not a job's (tokens, uploads): nothing of a job can be lost there, so no fault points."""
        async with self._opened() as session:
            yield session

    @asynccontextmanager
    async def _writing(self, verb: str, job_id: str) -> AsyncIterator[AsyncSession]:
        """The one place where something is committed; `verb` names it among the fault points."""
        async with self._opened() as session:
            yield session
            fault_point(f"ledger.{verb}.before_commit", job_id)
        fault_point(f"ledger.{verb}.after_commit", job_id)

    @asynccontextmanager
    async def _held(self, verb: str, lease: Lease) -> AsyncIterator[tuple[AsyncSession, VideoJob]]:
        """To write with the job's row locked, for the holder of its lease only."""
        async with self._writing(verb, lease.job_id) as session:
            job = await get(session, lease.job_id, lock=True)
            if job.lease_holder != lease.holder:
                raise LeaseLost(f"job {lease.job_id} is held by another run")
            yield session, job


def _unavailable(error: SQLAlchemyError) -> str | None:
    """Why there is no connection, or none any more; None where the database has answered.

    Postgres also ends one itself: of a process that stood still in a transaction (`connection.py`).
    """
    if isinstance(error, NoneFree):
        return "has no connection free for this process"
    if isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return f"does not answer ({type(error.orig).__name__})"
    return None


async def get(session: AsyncSession, job_id: str, *, lock: bool = False) -> VideoJob:
    """The job's row. Raises UnknownJob."""
    job = await session.get(VideoJob, job_id, with_for_update=lock, populate_existing=True)
    if job is None:
        raise UnknownJob(f"no job has the id {job_id}")
    return job


async def live(session: AsyncSession, job_id: str, stage: Stage) -> Submission | None:
    """The one submission that counts for this stage."""
    found: Submission | None = await session.scalar(
        select(Submission).where(Submission.job_id == job_id, Submission.stage == stage, Submission.state.in_(LIVE))
    )
    return found


def move(job: VideoJob, to: Point) -> bool:
    """Whether the job moved; it did not if it had been there before."""
    to = arrival(job.point, to)
    if reached(job.point, to):
        return False
    if not allowed(job.point, to):
        raise VideoJobError(f"job {job.id} cannot go from {job.recovery_point} to {to}")
    rule = RULES[to]
    job.recovery_point = to.value
    job.progress_percentage = max(job.progress_percentage, rule.progress)
    job.progress_message = rule.message
    job.claims = 1  # it gets on: the takings-up that ended badly before count no more
    return True


async def open_again(session: AsyncSession, job: VideoJob, actor: str, why: Json) -> None:
    """A job that is parked, failed or was cancelled goes on; before its paid step, where that came to nothing."""
    if job.status == Status.COMPLETED:
        raise VideoJobError(f"job {job.id} is completed and stays so")
    if (paid := submitted_for(job.point)) and await live(session, job.id, paid.stage) is None:
        job.recovery_point = paid.before.value
    job.status = Status.PROCESSING.value
    job.parked_reason, job.error_message, job.output_url, job.completed_at = None, None, None, None
    job.progress_message = RULES[job.point].message
    job.claims = 1
    note(session, job, actor, "reopened", why)


def merge(job: VideoJob, metadata: Json | None, facts: Json | None) -> None:
    """New values into the JSON columns: assigned as a whole, since a change in place would not be saved."""
    if metadata:
        job.job_metadata = {**job.job_metadata, **metadata}
    if facts:
        job.facts = {**job.facts, **facts}


def note(session: AsyncSession, job: VideoJob, actor: str, kind: str, detail: Json | None = None) -> None:
    """One event: who, what, and where the job stands now."""
    session.add(
        JobEvent(
            job_id=job.id,
            actor=actor,
            kind=kind,
            point=job.recovery_point,
            progress=job.progress_percentage,
            message=job.progress_message,
            detail=detail,
        )
    )


def about(submission: Submission) -> Json:
    """A submission as an event tells of it: without its bytes and its callback's address."""
    told = {
        "submission": str(submission.id),
        "stage": submission.stage,
        "attempt": submission.attempt,
        "vendor_id": submission.vendor_id,
        "error": submission.error,
    }
    return {key: value for key, value in told.items() if value is not None}
