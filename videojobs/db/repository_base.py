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

from videojobs.db.models import LIVE_STATES, JobEvent, Json, Submission, VideoJob
from videojobs.errors import DatabaseUnavailable, LeaseLost, VideoJobError
from videojobs.pipeline.facts import JobFacts
from videojobs.states import (
    POINT_SPECS,
    RecoveryPoint,
    Stage,
    Status,
    can_transition,
    has_reached,
    paid_step_at,
    resolve_arrival,
)
from videojobs.testing.fault_injection import fault_point

NOW = func.clock_timestamp()


class UnknownJob(VideoJobError):
    """No job has this id."""

    code = "job_not_found"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: `holder` names one attempt of one run, as `{flow run id}/{run count}`."""

    job_id: str
    holder: str

    @property
    def flow_run_id(self) -> str:
        """The flow run, whichever of its attempts."""
        return parse_flow_run_id(self.holder)


def parse_flow_run_id(holder: str) -> str:
    """The flow run behind the holder of a lease."""
    return holder.partition("/")[0]


class RepositoryBase:
    """Opens transactions on an engine of `videojobs.db.engine`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def database_url(self) -> str:
        """Which database it is. A secret: it holds the password."""
        return self._engine.url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncSession]:
        """A connection lost, or not to be had, becomes LedgerUnavailable: whether a commit got through is open then."""
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            if (reason := _unavailable_reason(error)) is None:
                raise
            raise DatabaseUnavailable(f"the job database {reason}") from error

    @asynccontextmanager
    async def _read_session(self) -> AsyncIterator[AsyncSession]:
        """To look; every query sees what is committed by then."""
        async with self._session() as session:
            # Each query by itself: a transaction around it would take two more ways to Postgres and back.
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session

    @asynccontextmanager
    async def _untracked_transaction(self) -> AsyncIterator[AsyncSession]:
        """To write what is not a job's (tokens, uploads): nothing of a job can be lost there, so no fault points."""
        async with self._session() as session:
            yield session

    @asynccontextmanager
    async def _transaction(self, operation: str, job_id: str) -> AsyncIterator[AsyncSession]:
        """The one place where something is committed; `verb` names it among the fault points."""
        async with self._session() as session:
            yield session
            fault_point(f"db.{operation}.before_commit", job_id)
        fault_point(f"db.{operation}.after_commit", job_id)

    @asynccontextmanager
    async def _locked_job(self, operation: str, lease: Lease) -> AsyncIterator[tuple[AsyncSession, VideoJob]]:
        """To write with the job's row locked, for the holder of its lease only."""
        async with self._transaction(operation, lease.job_id) as session:
            job = await load_job(session, lease.job_id, lock=True)
            if job.lease_holder != lease.holder:
                raise LeaseLost(f"job {lease.job_id} is held by another run")
            yield session, job


def _unavailable_reason(error: SQLAlchemyError) -> str | None:
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


async def load_job(session: AsyncSession, job_id: str, *, lock: bool = False) -> VideoJob:
    """The job's row. Raises UnknownJob."""
    job = await session.get(VideoJob, job_id, with_for_update=lock, populate_existing=True)
    if job is None:
        raise UnknownJob(f"no job has the id {job_id}")
    return job


async def load_live_submission(session: AsyncSession, job_id: str, stage: Stage) -> Submission | None:
    """The one submission that counts for this stage."""
    found: Submission | None = await session.scalar(
        select(Submission).where(
            Submission.job_id == job_id, Submission.stage == stage, Submission.state.in_(LIVE_STATES)
        )
    )
    return found


def move_to_point(job: VideoJob, target: RecoveryPoint) -> bool:
    """Whether the job moved; it did not if it had been there before."""
    target = resolve_arrival(job.point, target)
    if has_reached(job.point, target):
        return False
    if not can_transition(job.point, target):
        raise VideoJobError(f"job {job.id} cannot go from {job.recovery_point} to {target}")
    spec = POINT_SPECS[target]
    job.recovery_point = target.value
    job.progress_percentage = max(job.progress_percentage, spec.progress)
    job.progress_message = spec.message
    job.claims = 1  # it gets on: the takings-up that ended badly before count no more
    return True


async def reopen_job(session: AsyncSession, job: VideoJob, actor: str, reason: Json) -> None:
    """A job that is parked, failed or was cancelled goes on; before its paid step, where that came to nothing."""
    if job.status == Status.COMPLETED:
        raise VideoJobError(f"job {job.id} is completed and stays so")
    if (paid_step := paid_step_at(job.point)) and await load_live_submission(session, job.id, paid_step.stage) is None:
        job.recovery_point = paid_step.previous_point.value
    job.status = Status.PROCESSING.value
    job.parked_reason, job.output_url, job.completed_at = None, None, None
    clear_error(job)
    job.progress_message = POINT_SPECS[job.point].message
    job.claims = 1
    add_event(session, job, actor, "reopened", reason)


def clear_error(job: VideoJob) -> None:
    """A job that runs again has no error; its events keep the old one."""
    job.error_message, job.error_code, job.error_problems = None, None, None


def merge_json(job: VideoJob, metadata: Json | None, facts: JobFacts | None) -> None:
    """New values into the JSON columns: assigned as a whole, since a change in place would not be saved."""
    if metadata:
        job.job_metadata = {**job.job_metadata, **metadata}
    if facts:
        job.facts_json = {**job.facts_json, **facts.to_json()}


def add_event(session: AsyncSession, job: VideoJob, actor: str, kind: str, detail: Json | None = None) -> None:
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


def submission_summary(submission: Submission) -> Json:
    """A submission as an event tells of it: without its bytes and its callback's address."""
    summary = {
        "submission": str(submission.id),
        "stage": submission.stage,
        "attempt": submission.attempt,
        "vendor_id": submission.vendor_id,
        "error": submission.error,
    }
    return {key: value for key, value in summary.items() if value is not None}
