"""Paid calls: intent, outcome, callbacks, and the resolution of unknown outcomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from videojobs.db.budgets import enforce_budget
from videojobs.db.models import (
    ENDED_WITHOUT_RESULT,
    IN_DOUBT_STATES,
    LIVE_STATES,
    JobEvent,
    JobEventKind,
    Json,
    Submission,
    SubmissionState,
    VideoJob,
)
from videojobs.db.notifications import notify
from videojobs.db.repository_base import (
    NOW,
    Lease,
    RepositoryBase,
    add_event,
    add_public_event,
    load_job,
    load_live_submission,
    merge_json,
    move_to_point,
    reopen_job,
    submission_summary,
)
from videojobs.db.webhook_outbox import enqueue_webhooks
from videojobs.errors import FieldError, InvalidRequest, JobParked, RetryableError
from videojobs.pipeline.costs import UNLIMITED_BUDGET, BudgetSettings, Cost
from videojobs.progress import point_message
from videojobs.providers.block_names import default_block_name
from videojobs.states import RecoveryPoint, Stage, Status
from videojobs.webhooks.events import WebhookEvent

_ATTEMPT_OUTCOMES = (SubmissionState.WAITING, SubmissionState.REFUSED, SubmissionState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Intent:
    """A submission; `unsent` means that the vendor cannot have received it yet."""

    submission: Submission
    unsent: bool


class SubmissionWrites(RepositoryBase):
    """Writes around a paid call."""

    async def create_intent(
        self,
        lease: Lease,
        stage: Stage,
        build_body: Callable[[Submission], bytes],
        *,
        provider: str,
        cost: Cost | None = None,
        budget: BudgetSettings = UNLIMITED_BUDGET,
        body_valid_for: timedelta | None = None,
    ) -> Intent:
        """Commit the intent of a paid call before it is made, or return the live submission.

        `build_body` gives the exact request bytes; it may use the new submission's id, key and token. A waiting
        submission is reused, unless its bytes are older than `body_valid_for`: then a new one, with a new key, replaces
        it. Raises JobParked, or BudgetExceeded where `cost` exceeds the `budget`; nothing is recorded then.
        """
        async with self._locked_job("create_intent", lease) as (session, job):
            if job.parked_reason is not None:
                raise JobParked(job.parked_reason)
            if known := await load_live_submission(session, job.id, stage):
                if known.state != SubmissionState.WAITING:
                    return Intent(known, unsent=False)
                now = (await session.execute(select(NOW))).scalar_one()
                if body_valid_for is None or now - known.body_written_at <= body_valid_for:
                    # It may be sent from now on, so the age of an unknown outcome counts from here.
                    known.state, known.intended_at, known.error = SubmissionState.INTENDED, now, None
                    add_event(session, job, lease.holder, JobEventKind.INTENDED, submission_summary(known))
                    return Intent(known, unsent=True)
                known.state, known.ended_at = SubmissionState.REFUSED, now
                known.error = "it was never accepted, and its links are about to expire"
                add_event(session, job, lease.holder, JobEventKind.RENEWED, submission_summary(known))
                await session.flush()  # the unique index allows one live submission per stage
            count = await session.scalar(
                select(func.count()).where(Submission.job_id == job.id, Submission.stage == stage)
            )
            submission = Submission(
                job_id=job.id, stage=stage, provider=provider, attempt=(count or 0) + 1, request_body=b""
            )
            if cost is not None:
                await enforce_budget(session, submission, cost, budget)
            session.add(submission)
            await session.flush()  # gives the id and the token
            submission.request_body = build_body(submission)
            add_event(session, job, lease.holder, JobEventKind.INTENDED, submission_summary(submission))
            return Intent(submission, unsent=True)

    async def record_accepted(
        self,
        lease: Lease,
        submission: Submission,
        next_point: RecoveryPoint,
        *,
        vendor_id: str,
        batch_id: str | None = None,
        answer: Json,
        metadata: Json,
        job_columns: Mapping[str, str] | None = None,
        adoption: Json | None = None,
    ) -> VideoJob:
        """The vendor has accepted: record its id, the job's new point and the operators' columns in one commit.

        A fact, so it is recorded without a valid lease, too, and for a submission that was written off, which stays
        written off. `adoption` is an operator's reason for adopting a vendor id: it reopens the job.
        """
        async with self._transaction("record_accepted", lease.job_id) as session:
            job = await load_job(session, lease.job_id, lock=True)
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            if row.vendor_id is not None:  # recorded before
                if row.vendor_id != vendor_id:
                    await _record_duplicate_purchase(session, job, row, lease.holder, vendor_id)
                return job
            await _reject_known_vendor_id(session, row, vendor_id)
            row.vendor_id, row.vendor_batch_id, row.vendor_answer = vendor_id, batch_id, answer
            row.accepted_at = await session.scalar(select(NOW))
            if row.state in ENDED_WITHOUT_RESULT:
                add_event(session, job, lease.holder, JobEventKind.ACCEPTED_AFTER_WRITE_OFF, submission_summary(row))
                return job
            was_parked = row.state in IN_DOUBT_STATES and job.parked_reason is not None  # for this unknown outcome
            if was_parked:
                job.parked_reason = job.error_code = None
            row.state, row.error = SubmissionState.ACCEPTED, None
            if move_to_point(job, next_point):
                merge_json(job, metadata, None)
                for column, value in (job_columns or {}).items():
                    setattr(job, column, value)
                summary = submission_summary(row)
                await add_public_event(
                    session, job, lease.holder, JobEventKind.ACCEPTED, WebhookEvent.PROGRESS, summary
                )
            if was_parked:
                await enqueue_webhooks(session, job, WebhookEvent.STARTED)
            if adoption is not None:
                await reopen_job(session, job, lease.holder, adoption)
            return job

    async def record_outcome(
        self,
        lease: Lease,
        submission: Submission,
        state: SubmissionState,
        *,
        error: str | None = None,
        batch_id: str | None = None,
        answer: Json | None = None,
        paid_points: Decimal | None = None,
    ) -> None:
        """Record an outcome: ended (REFUSED, FAILED, DONE), not accepted yet (WAITING), or unknown (UNKNOWN).

        A fact, so it needs no valid lease. The first outcome that ends a submission wins. The outcome of an earlier
        attempt does not change a later one, which another run may have made since; it is only noted as an event.
        """
        async with self._transaction("record_outcome", lease.job_id) as session:
            job = await load_job(session, lease.job_id, lock=True)
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            already_accepted = row.vendor_id is not None and state not in (SubmissionState.DONE, SubmissionState.FAILED)
            if row.state == state or row.ended_at is not None or already_accepted:
                return
            if state in _ATTEMPT_OUTCOMES and row.intended_at != submission.intended_at:
                add_event(
                    session,
                    job,
                    lease.holder,
                    JobEventKind.LATE_OUTCOME,
                    {**submission_summary(row), "outcome": state, "error": error},
                )
                return
            row.state = state
            row.error = error
            row.vendor_batch_id = batch_id or row.vendor_batch_id
            row.vendor_answer = answer if answer is not None else row.vendor_answer
            row.paid_points = paid_points if paid_points is not None else row.paid_points
            if state not in LIVE_STATES or state is SubmissionState.DONE:
                row.ended_at = await session.scalar(select(NOW))
            add_event(session, job, lease.holder, JobEventKind(state), submission_summary(row))

    async def is_intent_current(self, submission: Submission, max_age: timedelta) -> bool:
        """Whether this intent is unchanged and younger than `max_age`, by the database's clock.

        A process that stalled after its intent learns here that other runs may have acted on it.
        """
        query = select(Submission.id).where(
            Submission.id == submission.id,
            Submission.state == SubmissionState.INTENDED,
            Submission.intended_at == submission.intended_at,
            Submission.intended_at > NOW - max_age,
            Submission.reported_vendor_id.is_not_distinct_from(submission.reported_vendor_id),
        )
        async with self._read_session() as session:
            return await session.scalar(query) is not None

    async def record_not_accepted(self, lease: Lease, submission: Submission, error: str, evidence: Json) -> None:
        """The vendor proved that it never received a submission with an unknown outcome: it may be sent again.

        A decision, so it needs the lease. `submission` is the version that was looked up, `evidence` goes into the
        event. Raises RetryableError if the submission has changed since.
        """
        async with self._locked_job("record_not_accepted", lease) as (session, job):
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            version_queried = (submission.intended_at, submission.reported_vendor_id)
            if row.state not in IN_DOUBT_STATES or (row.intended_at, row.reported_vendor_id) != version_queried:
                raise RetryableError("the submission changed while the vendor was queried; querying again")
            row.state, row.error = SubmissionState.WAITING, error
            add_event(session, job, lease.holder, JobEventKind.NOT_TAKEN, {**submission_summary(row), **evidence})

    async def write_off(self, lease: Lease, submission: Submission, reason: Json) -> None:
        """Give a live submission up, paid or not, so that a new one may be bought. For operators only."""
        async with self._locked_job("write_off", lease) as (session, job):
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            if row.state in ENDED_WITHOUT_RESULT:
                return
            row.state = SubmissionState.WRITTEN_OFF
            row.ended_at = await session.scalar(select(NOW))
            add_event(session, job, lease.holder, JobEventKind.WRITTEN_OFF, {**submission_summary(row), **reason})

    async def accepted_ids_around(self, submission: Submission, window: timedelta, min_age: timedelta) -> set[str]:
        """Vendor ids that the same account accepted within `window` of this intent, at least `min_age` ago.

        The last twenty. A vendor's list proves that a submission is missing only if it shows some of these.
        An account is a block of the provider: a job's other blocks may differ.
        """
        this_job = aliased(VideoJob)
        account = _block_name(this_job.connections, submission.provider)
        ours = select(account).where(this_job.id == submission.job_id).scalar_subquery()
        query = (
            select(Submission.vendor_id)
            .join(VideoJob, VideoJob.id == Submission.job_id)
            .where(
                Submission.provider == submission.provider,
                _block_name(VideoJob.connections, submission.provider) == ours,
                Submission.vendor_id.is_not(None),
                Submission.accepted_at.between(submission.intended_at - window, submission.intended_at + window),
                Submission.accepted_at < NOW - min_age,
            )
            .order_by(Submission.accepted_at.desc())
            .limit(20)
        )
        async with self._read_session() as session:
            return {vendor_id for vendor_id in await session.scalars(query) if vendor_id is not None}

    async def submission_by_callback_token(self, token: str, provider: str) -> Submission | None:
        """The submission to this provider whose callback URL has this token."""
        async with self._read_session() as session:
            found: Submission | None = await session.scalar(
                select(Submission).where(Submission.callback_token == token, Submission.provider == provider)
            )
            return found

    async def record_callback(
        self, submission: Submission, vendor_id: str, *, batch_id: str | None = None
    ) -> VideoJob | None:
        """Record that a callback names `vendor_id` for this submission. Returns the job if it needs a new run.

        Wakes the run that waits for it. A callback is a hint, not a proof: if the outcome is unknown, the id is stored
        and confirmed later with the vendor. A job that is parked, for this unknown outcome or because the vendor was
        overdue, is unparked to query the vendor. A run in progress reads the stored id.
        """
        async with self._transaction("record_callback", submission.job_id) as session:
            job = await load_job(session, submission.job_id, lock=True)
            await notify(session, job.id)
            row = await session.get_one(Submission, submission.id, with_for_update=True)
            if row.state not in (*IN_DOUBT_STATES, SubmissionState.WAITING, SubmissionState.ACCEPTED):
                return None
            if row.state == SubmissionState.ACCEPTED:
                if row.vendor_id != vendor_id:
                    await _record_duplicate_purchase(session, job, row, "callback", vendor_id)
                    return None
                row.reported_vendor_id = vendor_id  # it has ended, even if its status still says otherwise
                if job.parked_reason is not None:
                    await _unpark_after_callback(session, job, submission_summary(row))
                elif (
                    await _last_event_kind(session, job) != JobEventKind.CALLBACK_RECEIVED
                ):  # else the last callback requested a run that was never started
                    return None
            elif row.reported_vendor_id != vendor_id:
                await _record_reported_id(session, job, row, vendor_id, batch_id)
            await session.flush()
            await session.refresh(job)  # the database's clock has set `updated_at`
            alive = await session.scalar(select(VideoJob.lease_until >= NOW).where(VideoJob.id == job.id))
            unattended = job.status == Status.PROCESSING and job.parked_reason is None and not alive
            return job if unattended else None


def _block_name(connections: InstrumentedAttribute[Json], provider: str) -> ColumnElement[str]:
    """The block of the provider that a job uses. Jobs that are older than the provider name none."""
    return func.coalesce(connections[provider].astext, default_block_name(provider))


async def _record_reported_id(
    session: AsyncSession, job: VideoJob, row: Submission, vendor_id: str, batch_id: str | None
) -> None:
    row.reported_vendor_id = vendor_id
    row.vendor_batch_id = batch_id or row.vendor_batch_id
    if row.state == SubmissionState.WAITING:
        row.state = SubmissionState.UNKNOWN  # it was received after all: do not send it again
    await _unpark_after_callback(session, job, {**submission_summary(row), "reported_vendor_id": vendor_id})


async def _unpark_after_callback(session: AsyncSession, job: VideoJob, detail: Json) -> None:
    """Record the callback. A parked job continues: its next run queries the vendor about the reported id."""
    if job.parked_reason is not None:
        job.parked_reason = job.error_code = None
        job.progress_message = point_message(job.recovery_point, job.stages)
        job.lease_holder, job.lease_until = None, None  # the run that parked it has ended; the next one may begin
        await enqueue_webhooks(session, job, WebhookEvent.STARTED)
    add_event(session, job, "callback", JobEventKind.CALLBACK_RECEIVED, detail)


async def _record_duplicate_purchase(
    session: AsyncSession, job: VideoJob, row: Submission, actor: str, vendor_id: str
) -> None:
    """The vendor made two of one submission. Nothing can undo that; record it once."""
    detail = {**submission_summary(row), "other": vendor_id}
    recorded = select(JobEvent.id).where(
        JobEvent.job_id == job.id,
        JobEvent.kind == JobEventKind.BOUGHT_TWICE,
        JobEvent.detail["other"].astext == vendor_id,
    )
    if await session.scalar(recorded.limit(1)) is None:
        add_event(session, job, actor, JobEventKind.BOUGHT_TWICE, detail)


async def _last_event_kind(session: AsyncSession, job: VideoJob) -> str | None:
    newest = select(JobEvent.kind).where(JobEvent.job_id == job.id).order_by(JobEvent.id.desc()).limit(1)
    kind: str | None = await session.scalar(newest)
    return kind


async def _reject_known_vendor_id(session: AsyncSession, row: Submission, vendor_id: str) -> None:
    """One vendor id belongs to one submission: an operator may mistype the id to adopt. Raises InvalidRequest."""
    same = select(Submission.job_id).where(Submission.provider == row.provider, Submission.vendor_id == vendor_id)
    if (owner := await session.scalar(same)) is not None:
        raise InvalidRequest(
            [FieldError("vendor_id", f"{vendor_id} belongs to job {owner}; look up the id of this job's submission")]
        )
