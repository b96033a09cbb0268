"""The job repository: all reads and writes of job state.

`JobRepository` is composed of one class per concern, each in the module of that name; they share the transactions and
row locks of `repository_base`. Flows use `jobs` (life cycle and lease), `submissions` (paid calls) and `budgets`; the
clean-up uses `maintenance`; the API uses `queries`, `batches`, `result_links`, `stats`, `tokens`, `uploads` and
`webhook_...`. Reads for a single job are here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import SQLColumnExpression, func, select

from videojobs.db.batches import BatchStore
from videojobs.db.budgets import SpendTracking
from videojobs.db.jobs import JobWrites
from videojobs.db.maintenance import JobMaintenance
from videojobs.db.models import JobEvent, JobEventKind, Submission, VideoJob
from videojobs.db.notifications import JobNotifications, notifications_for
from videojobs.db.queries import JobQueries
from videojobs.db.repository_base import NOW, load_job, load_live_submission
from videojobs.db.result_links import ResultLinkKeys
from videojobs.db.stats import JobStats
from videojobs.db.submissions import SubmissionWrites
from videojobs.db.tokens import TokenStore
from videojobs.db.uploads import UploadStore
from videojobs.db.webhook_deliveries import WebhookDeliveryStore
from videojobs.db.webhook_endpoints import WebhookEndpointStore
from videojobs.states import Stage


class JobRepository(
    JobWrites,
    SubmissionWrites,
    SpendTracking,
    JobMaintenance,
    JobStats,
    JobQueries,
    ResultLinkKeys,
    TokenStore,
    UploadStore,
    BatchStore,
    WebhookEndpointStore,
    WebhookDeliveryStore,
):
    """Job state in Postgres. Construct it with an engine of `videojobs.db.engine`."""

    @property
    def notifications(self) -> JobNotifications:
        """Wake-ups from other processes for jobs of this database."""
        return notifications_for(self.database_url)

    async def ping(self) -> None:
        """Prove that Postgres responds. Raises DatabaseUnavailable."""
        async with self._read_session() as session:
            await session.execute(select(1))

    async def get_job(self, job_id: str) -> VideoJob:
        """The current job. Raises UnknownJob."""
        async with self._read_session() as session:
            return await load_job(session, job_id)

    async def list_submissions(self, job_id: str) -> Sequence[Submission]:
        """All submissions of a job, oldest first."""
        query = select(Submission).where(Submission.job_id == job_id).order_by(Submission.intended_at)
        async with self._read_session() as session:
            return (await session.scalars(query)).all()

    async def get_live_submission(self, job_id: str, stage: Stage) -> Submission | None:
        """The live submission of this stage, if there is one."""
        async with self._read_session() as session:
            return await load_live_submission(session, job_id, stage)

    async def submission_age(self, submission: Submission) -> timedelta:
        """Time since the vendor accepted it, else since the intent; by the database's clock."""
        return await self._age_since(submission, func.coalesce(Submission.accepted_at, Submission.intended_at))

    async def body_age(self, submission: Submission) -> timedelta:
        """Age of its request bytes, and so of its idempotency key and the links in them."""
        return await self._age_since(submission, Submission.body_written_at)

    async def submission_age_since_reopen(self, submission: Submission) -> timedelta:
        """As `submission_age`, but restarted when an operator reopens the job, which gives the vendor more time.

        Never use it to decide about a purchase: reopening a job changes neither the age of a key nor that of a list.
        """
        reopened = (
            select(func.max(JobEvent.at))
            .where(JobEvent.job_id == Submission.job_id, JobEvent.kind == JobEventKind.REOPENED)
            .scalar_subquery()
        )
        return await self._age_since(
            submission, func.greatest(func.coalesce(Submission.accepted_at, Submission.intended_at), reopened)
        )

    async def _age_since(self, submission: Submission, since: SQLColumnExpression[datetime]) -> timedelta:
        query = select(NOW - since)
        async with self._read_session() as session:
            waited: timedelta = (await session.execute(query.where(Submission.id == submission.id))).scalar_one()
            return waited

    async def list_events(self, job_id: str) -> Sequence[JobEvent]:
        """The audit log of a job, oldest first."""
        query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)
        async with self._read_session() as session:
            return (await session.scalars(query)).all()
