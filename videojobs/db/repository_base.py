"""Transactions on job state, and helpers shared by all repository operations.

Every operation that moves a job locks its row and checks that the caller still holds the lease, so two runs of one job
cannot both act. Each change adds one event. No transaction is open during a vendor call.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from videojobs.db.models import LIVE_STATES, JobEvent, JobEventKind, Json, Submission, VideoJob
from videojobs.db.webhook_outbox import enqueue_webhooks
from videojobs.errors import DatabaseUnavailable, LeaseLost, UnknownJob, VideoJobError
from videojobs.pipeline.facts import JobFacts
from videojobs.progress import POINT_SPECS, point_message
from videojobs.states import RecoveryPoint, Stage, Status, paid_stage_at, point_before
from videojobs.testing.fault_injection import fault_point
from videojobs.transitions import can_transition, has_reached, resolve_arrival
from videojobs.webhooks.events import WebhookEvent

NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: `holder` names one attempt of one run, as `{flow run id}/{run count}`."""

    job_id: str
    holder: str

    @property
    def flow_run_id(self) -> str:
        """The id of the flow run, without its attempt."""
        return parse_flow_run_id(self.holder)


def parse_flow_run_id(holder: str) -> str:
    """The flow run id in a lease holder."""
    return holder.partition("/")[0]


class RepositoryBase:
    """Opens transactions on an engine of `videojobs.db.engine`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def database_url(self) -> str:
        """Identifies the database. Secret: it contains the password."""
        return self._engine.url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncSession]:
        """Raises DatabaseUnavailable without a connection; whether a commit succeeded is then unknown."""
        try:
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            if (reason := _unavailable_reason(error)) is None:
                raise
            raise DatabaseUnavailable(f"the job database {reason}") from error

    @asynccontextmanager
    async def _read_session(self) -> AsyncIterator[AsyncSession]:
        """Read only. Each query sees everything committed so far."""
        async with self._session() as session:
            # Autocommit: a transaction would cost two more round trips.
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session

    @asynccontextmanager
    async def _untracked_transaction(self) -> AsyncIterator[AsyncSession]:
        """Writes outside job state (tokens, uploads). No fault points: no job can be lost here."""
        async with self._session() as session:
            yield session

    @asynccontextmanager
    async def _transaction(self, operation: str, job_id: str) -> AsyncIterator[AsyncSession]:
        """Commits a change of job state. `operation` names it in the fault points."""
        async with self._session() as session:
            yield session
            fault_point(f"db.{operation}.before_commit", job_id)
        fault_point(f"db.{operation}.after_commit", job_id)

    @asynccontextmanager
    async def _locked_job(self, operation: str, lease: Lease) -> AsyncIterator[tuple[AsyncSession, VideoJob]]:
        """A transaction with the job's row locked. Raises LeaseLost unless the caller holds its lease."""
        async with self._transaction(operation, lease.job_id) as session:
            job = await load_job(session, lease.job_id, lock=True)
            if job.lease_holder != lease.holder:
                raise LeaseLost(f"job {lease.job_id} is held by another run")
            yield session, job


def _unavailable_reason(error: SQLAlchemyError) -> str | None:
    """Why the connection is missing or lost; None if the database has responded.

    Postgres also closes the connection of a process that stalls in a transaction (`videojobs.db.engine`).
    """
    if isinstance(error, PoolTimeout):
        return "has no free connection for this process"
    if isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return f"does not respond ({type(error.orig).__name__})"
    return None


async def load_job(session: AsyncSession, job_id: str, *, lock: bool = False) -> VideoJob:
    """The job's row. Raises UnknownJob."""
    job = await session.get(VideoJob, job_id, with_for_update=lock, populate_existing=True)
    if job is None:
        raise UnknownJob(f"no job has the id {job_id}")
    return job


async def load_live_submission(session: AsyncSession, job_id: str, stage: Stage) -> Submission | None:
    """The live submission of this stage."""
    found: Submission | None = await session.scalar(
        select(Submission).where(
            Submission.job_id == job_id, Submission.stage == stage, Submission.state.in_(LIVE_STATES)
        )
    )
    return found


def move_to_point(job: VideoJob, target: RecoveryPoint) -> bool:
    """Whether the job moved. False if it has reached the point already."""
    target = resolve_arrival(job.recovery_point, target)
    if has_reached(job.recovery_point, target):
        return False
    if not can_transition(job.recovery_point, target):
        raise VideoJobError(f"job {job.id} cannot go from {job.recovery_point} to {target}")
    spec = POINT_SPECS[target]
    job.recovery_point = target
    job.progress_percentage = max(job.progress_percentage, spec.progress)
    job.progress_message = point_message(target, job.stages)
    job.claims = 1  # progress: earlier crashes no longer count towards the limit
    return True


async def reopen_job(session: AsyncSession, job: VideoJob, actor: str, reason: Json) -> None:
    """Let a parked, failed or cancelled job continue; from before its paid step, if that has no live submission."""
    if job.status == Status.COMPLETED:
        raise VideoJobError(f"job {job.id} is completed and cannot be reopened")
    if (stage := paid_stage_at(job.recovery_point)) and await load_live_submission(session, job.id, stage) is None:
        job.recovery_point = point_before(stage, job.stages)
    was_running = job.status == Status.PROCESSING and job.parked_reason is None
    job.status = Status.PROCESSING
    job.parked_reason, job.output_url, job.completed_at = None, None, None
    clear_error(job)
    job.progress_message = point_message(job.recovery_point, job.stages)
    job.claims = 1
    add_event(session, job, actor, JobEventKind.REOPENED, reason)
    if not was_running:  # a run has cancelled jobs `processing` before an operator's action reopens them
        await enqueue_webhooks(session, job, WebhookEvent.STARTED)


def clear_error(job: VideoJob) -> None:
    """A job that runs again has no error; its events keep the old one."""
    job.error_message, job.error_code, job.error_problems = None, None, None


def merge_json(job: VideoJob, metadata: Json | None, facts: JobFacts | None) -> None:
    """Merge new values into the JSON columns. Assigns a new dict: SQLAlchemy does not see changes in place."""
    if metadata:
        job.job_metadata = {**job.job_metadata, **metadata}
    if facts:
        job.facts_json = {**job.facts_json, **facts.to_json()}


def add_event(session: AsyncSession, job: VideoJob, actor: str, kind: JobEventKind, detail: Json | None = None) -> None:
    """Add one event with the job's current point, progress and message."""
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


async def add_public_event(
    session: AsyncSession,
    job: VideoJob,
    actor: str,
    kind: JobEventKind,
    webhook: WebhookEvent,
    detail: Json | None = None,
) -> None:
    """As `add_event`, for an event that clients are told of by webhook."""
    add_event(session, job, actor, kind, detail)
    await enqueue_webhooks(session, job, webhook)


def submission_summary(submission: Submission) -> Json:
    """A submission as events show it: without its bytes and its callback token."""
    summary = {
        "submission": str(submission.id),
        "stage": submission.stage,
        "provider": submission.provider,
        "attempt": submission.attempt,
        "vendor_id": submission.vendor_id,
        "error": submission.error,
    }
    return {key: value for key, value in summary.items() if value is not None}
