"""The verbs that change job state. Each is one transaction, and none is open during a vendor call.

Every verb that moves a job locks its row first and checks that the caller still holds the lease, so two runs of
one job cannot both act. Each change leaves one event.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from videojobs.errors import JobParked, LeaseLost, LedgerUnavailable, RequestMismatch, VideoJobError
from videojobs.ledger.tables import LIVE, JobEvent, Json, Submission, SubmissionState, VideoJob
from videojobs.request import JobRequest, canonical, fingerprint
from videojobs.states import RULES, Point, Stage, Status, allowed, completed_message, reached

NOW = func.clock_timestamp()


class UnknownJob(VideoJobError):
    """No job has this id."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: `holder` names one attempt of one run."""

    job_id: str
    holder: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A submission and what is known of it: `fresh` means that the vendor surely has not taken it yet."""

    submission: Submission
    fresh: bool


class Ledger:
    """Job state in Postgres. Construct it with an engine of `videojobs.ledger.connection`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    # ---- reading -----------------------------------------------------------------------------------------

    async def job(self, job_id: str) -> VideoJob:
        """The job as it stands. Raises UnknownJob."""
        async with self._begin() as session:
            return await _get(session, job_id)

    async def submissions(self, job_id: str) -> Sequence[Submission]:
        """All submissions of a job, oldest first."""
        query = select(Submission).where(Submission.job_id == job_id).order_by(Submission.intended_at)
        async with self._begin() as session:
            return (await session.scalars(query)).all()

    async def live_submission(self, job_id: str, stage: Stage) -> Submission | None:
        """The one submission that counts for this stage, if there is one."""
        async with self._begin() as session:
            return await _live(session, job_id, stage)

    async def waited_for(self, submission: Submission) -> timedelta:
        """How long ago the vendor accepted it, by the database's clock."""
        query = select(NOW - func.coalesce(Submission.accepted_at, Submission.intended_at))
        async with self._begin() as session:
            waited: timedelta = (await session.execute(query.where(Submission.id == submission.id))).scalar_one()
            return waited

    async def events(self, job_id: str) -> Sequence[JobEvent]:
        """The audit log of a job, oldest first."""
        query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)
        async with self._begin() as session:
            return (await session.scalars(query)).all()

    # ---- opening -----------------------------------------------------------------------------------------

    async def open(self, job_id: str, request: JobRequest, *, actor: str) -> VideoJob:
        """Put a job on the books, or find it there. Raises RequestMismatch if it is there with another request."""
        plain = canonical(request)
        row = {
            "id": job_id,
            "user_id": request.user_id,
            "display_name": request.display_name,
            "progress_message": RULES[Point.OPENED].message,
            "processing_config": {"effects": plain["effects"], "options": plain["options"]},
            "segments_data": {"segments": plain["segments"], "total_segments": len(request.segments)},
            "job_metadata": {"segments_count": len(request.segments)},
            "request": plain,
            "request_fingerprint": fingerprint(request),
        }
        async with self._begin() as session:
            fresh = await _insert(session, row)
            job = await _get(session, job_id)
            if fresh:
                _note(session, job, actor, "opened")
            elif job.request_fingerprint != row["request_fingerprint"]:
                raise RequestMismatch(
                    f"job {job_id} is known with another request; use a new job_id, or send the first request again"
                )
            return job

    async def open_refused(
        self, job_id: str, *, user_id: str, display_name: str | None, error: str, actor: str
    ) -> None:
        """Record a request that never became a job, so that who asked for it sees why. Leaves a known job alone."""
        row: Json = {
            "id": job_id,
            "user_id": user_id,
            "display_name": display_name,
            "status": Status.FAILED.value,
            "progress_message": "Refused",
            "error_message": error,
            "processing_config": {"effects": []},
            "segments_data": {"segments": [], "total_segments": 0},
            "job_metadata": {},
            "request": {},
            "request_fingerprint": "",
        }
        async with self._begin() as session:
            if await _insert(session, row):
                _note(session, await _get(session, job_id), actor, "refused", {"error": error})

    # ---- the lease ---------------------------------------------------------------------------------------

    async def claim(self, lease: Lease, seconds: float) -> str | None:
        """Take the job up. Returns None when it is ours now, else the name of the holder whose lease is alive."""
        async with self._begin() as session:
            free = or_(
                VideoJob.lease_holder.is_(None),
                VideoJob.lease_holder == lease.holder,
                VideoJob.lease_until < NOW,
            )
            taken = await session.scalar(
                update(VideoJob)
                .where(VideoJob.id == lease.job_id, free)
                .values(
                    lease_holder=lease.holder,
                    lease_until=NOW + timedelta(seconds=seconds),
                    claims=VideoJob.claims + 1,
                )
                .returning(VideoJob.id)
            )
            job = await _get(session, lease.job_id)
            if taken is None:
                return job.lease_holder
            if job.status == Status.PENDING:
                job.status = Status.PROCESSING.value
            _note(session, job, lease.holder, "claimed", {"claims": job.claims})
            return None

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Prove life. Raises LeaseLost."""
        async with self._begin() as session:
            renewed = await session.scalar(
                update(VideoJob)
                .where(VideoJob.id == lease.job_id, VideoJob.lease_holder == lease.holder)
                # Not a change of the job: `updated_at` tells operators when it last got anywhere.
                .values(lease_until=NOW + timedelta(seconds=seconds), updated_at=VideoJob.updated_at)
                .returning(VideoJob.id)
            )
            if renewed is None:
                raise LeaseLost(f"job {lease.job_id} is held by another run")

    async def release(self, lease: Lease) -> None:
        """Let go. Harmless when the lease is not ours any more."""
        async with self._begin() as session:
            await session.execute(
                update(VideoJob)
                .where(VideoJob.id == lease.job_id, VideoJob.lease_holder == lease.holder)
                .values(lease_holder=None, lease_until=None, updated_at=VideoJob.updated_at)
            )

    # ---- moving ------------------------------------------------------------------------------------------

    async def advance(
        self, lease: Lease, to: Point, *, metadata: Json | None = None, facts: Json | None = None
    ) -> VideoJob:
        """Reach the next recovery point. A job that is there already, or beyond, is left as it is."""
        async with self._held(lease) as (session, job):
            if _move(job, to):
                _merge(job, metadata, facts)
                _note(session, job, lease.holder, "advanced", metadata)
            return job

    async def tell(self, lease: Lease, progress: int, message: str, *, detail: Json | None = None) -> VideoJob:
        """News within a point: progress (percent, only ever rising) and message. The same news twice is one event."""
        async with self._held(lease) as (session, job):
            higher = max(job.progress_percentage, progress)
            if (higher, message) != (job.progress_percentage, job.progress_message) or detail is not None:
                job.progress_percentage = higher
                job.progress_message = message
                _note(session, job, lease.holder, "progress", detail)
            return job

    async def record(self, lease: Lease, kind: str, detail: Json) -> None:
        """Something worth keeping that changes neither point nor progress, as an event of its own kind."""
        async with self._held(lease) as (session, job):
            _note(session, job, lease.holder, kind, detail)

    async def finish(self, lease: Lease, output_url: str) -> VideoJob:
        """The final video is stored at `output_url`: the job is completed."""
        async with self._held(lease) as (session, job):
            text_removed = reached(job.point, Point.TEXT_REMOVAL_STORED)
            if _move(job, Point.COMPLETED):
                job.status = Status.COMPLETED.value
                job.progress_message = completed_message(text_removed=text_removed)
                job.output_url = output_url
                job.completed_at = await session.scalar(select(NOW))
                _note(session, job, lease.holder, "completed", {"output_url": output_url})
            return job

    async def fail(self, lease: Lease, error: str, *, fallback_url: str | None = None) -> VideoJob:
        """The job ends without its result; `fallback_url` is what it can offer instead. Its recovery point stays."""
        async with self._held(lease) as (session, job):
            job.status = Status.FAILED.value
            job.error_message = error
            job.output_url = fallback_url
            job.completed_at = await session.scalar(select(NOW))
            _note(session, job, lease.holder, "failed", {"error": error})
            return job

    async def park(self, lease: Lease, reason: str) -> VideoJob:
        """Stop here until an operator decides. The status stays `processing`, so the operators' query finds it."""
        async with self._held(lease) as (session, job):
            job.parked_reason = reason
            job.progress_message = f"Parked for an operator: {reason}"
            _note(session, job, lease.holder, "parked", {"reason": reason})
            return job

    # ---- paid calls --------------------------------------------------------------------------------------

    async def intend(self, lease: Lease, stage: Stage, body: Callable[[Submission], bytes]) -> Intent:
        """Commit to a paid call before it is made, or find the one that is already on the books.

        `body` gives the exact request bytes; it may use the new submission's id and key. Raises JobParked.
        """
        async with self._held(lease) as (session, job):
            if job.parked_reason is not None:
                raise JobParked(job.parked_reason)
            if known := await _live(session, job.id, stage):
                waited = known.state == SubmissionState.WAITING
                if waited:
                    known.state = SubmissionState.INTENDED.value
                    _note(session, job, lease.holder, "intended", _about(known))
                return Intent(known, fresh=waited)
            count = await session.scalar(
                select(func.count()).where(Submission.job_id == job.id, Submission.stage == stage)
            )
            submission = Submission(job_id=job.id, stage=stage.value, attempt=(count or 0) + 1, request_body=b"")
            session.add(submission)
            await session.flush()  # gives the id
            submission.request_body = body(submission)
            _note(session, job, lease.holder, "intended", _about(submission))
            return Intent(submission, fresh=True)

    async def accept(
        self,
        lease: Lease,
        submission: Submission,
        to: Point,
        *,
        vendor_id: str,
        batch_id: str | None = None,
        answer: Json,
        metadata: Json,
    ) -> VideoJob:
        """The vendor has taken the submission: its id, the job's new point and the operators' view in one commit.

        A fact, so it is recorded even for a run that has lost its lease meanwhile.
        """
        async with self._begin() as session:
            job = await _get(session, lease.job_id, lock=True)
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            if row.vendor_id is not None:
                return job  # somebody recorded it first
            row.state = SubmissionState.ACCEPTED.value
            row.vendor_id, row.vendor_batch_id, row.vendor_answer = vendor_id, batch_id, answer
            row.accepted_at = await session.scalar(select(NOW))
            if _move(job, to):
                _merge(job, metadata, None)
                if row.stage == Stage.LIP_SYNC:
                    job.zhaoli_task_id = vendor_id
                _note(session, job, lease.holder, "accepted", _about(row))
            return job

    async def settle(
        self,
        lease: Lease,
        submission: Submission,
        state: SubmissionState,
        *,
        error: str | None = None,
        answer: Json | None = None,
        paid_points: Decimal | None = None,
    ) -> None:
        """What became of a submission: ended (REFUSED, FAILED, DONE), has to wait (WAITING), in doubt (UNKNOWN).

        A fact like an acceptance; the first one that ends a submission stays.
        """
        async with self._begin() as session:
            job = await _get(session, lease.job_id, lock=True)
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            known_taken = row.vendor_id is not None and state not in (SubmissionState.DONE, SubmissionState.FAILED)
            if row.state == state or row.ended_at is not None or known_taken:
                return
            row.state = state.value
            row.error = error
            row.vendor_answer = answer if answer is not None else row.vendor_answer
            row.paid_points = paid_points if paid_points is not None else row.paid_points
            if state not in LIVE or state is SubmissionState.DONE:
                row.ended_at = await session.scalar(select(NOW))
            _note(session, job, lease.holder, state.value, _about(row))

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncSession]:
        """A transaction. A lost connection becomes LedgerUnavailable: whether a commit got through is open then."""
        try:
            async with self._sessions.begin() as session:
                yield session
        except (OperationalError, InterfaceError) as error:
            raise LedgerUnavailable(f"the job database does not answer ({type(error.orig).__name__})") from error

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[tuple[AsyncSession, VideoJob]]:
        """A transaction with the job's row locked, for the holder of its lease only."""
        async with self._begin() as session:
            job = await _get(session, lease.job_id, lock=True)
            if job.lease_holder != lease.holder:
                raise LeaseLost(f"job {lease.job_id} is held by another run")
            yield session, job


async def _get(session: AsyncSession, job_id: str, *, lock: bool = False) -> VideoJob:
    job = await session.get(VideoJob, job_id, with_for_update=lock, populate_existing=True)
    if job is None:
        raise UnknownJob(f"no job has the id {job_id}")
    return job


async def _insert(session: AsyncSession, row: Json) -> bool:
    """Whether the row is new."""
    statement = insert(VideoJob).values(row).on_conflict_do_nothing().returning(VideoJob.id)
    return await session.scalar(statement) is not None


async def _live(session: AsyncSession, job_id: str, stage: Stage) -> Submission | None:
    return await session.scalar(
        select(Submission).where(Submission.job_id == job_id, Submission.stage == stage, Submission.state.in_(LIVE))
    )


def _move(job: VideoJob, to: Point) -> bool:
    """Whether the job moved; it did not if it had been there before."""
    if reached(job.point, to):
        return False
    if not allowed(job.point, to):
        raise VideoJobError(f"job {job.id} cannot go from {job.recovery_point} to {to}")
    rule = RULES[to]
    job.recovery_point = to.value
    job.progress_percentage = max(job.progress_percentage, rule.progress)
    job.progress_message = rule.message
    return True


def _merge(job: VideoJob, metadata: Json | None, facts: Json | None) -> None:
    """New values into the JSON columns: assigned as a whole, since a change in place would not be saved."""
    if metadata:
        job.job_metadata = {**job.job_metadata, **metadata}
    if facts:
        job.facts = {**job.facts, **facts}


def _note(session: AsyncSession, job: VideoJob, actor: str, kind: str, detail: Json | None = None) -> None:
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


def _about(submission: Submission) -> Json:
    about = {
        "submission": str(submission.id),
        "stage": submission.stage,
        "attempt": submission.attempt,
        "vendor_id": submission.vendor_id,
        "error": submission.error,
    }
    return {key: value for key, value in about.items() if value is not None}
