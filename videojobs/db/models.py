"""The three tables of the jobs. This page is the glossary of the job state.

`video_jobs`        one row a job. The operators' queries (requirements M5) run on it unchanged. `processing_config`,
                    `segments_data` and `job_metadata` are their view; the pipeline itself reads `request`, `facts`
                    and `recovery_point`.
`video_submissions` one row for each paid call that was ever meant to be made, written *before* the call.
`video_job_events`  append-only: who changed a job, when, to what and why.

Times are the database's clock (`clock_timestamp()`), never a worker's.
"""

import secrets
import uuid
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from videojobs.lecture.request import LectureRequest
from videojobs.pipeline.costs import CostEstimate, PriceSettings, estimate_from_prices
from videojobs.pipeline.facts import JobFacts
from videojobs.requests.models import JobRequest
from videojobs.states import JobKind, RecoveryPoint, Stage, Status

Json = dict[str, Any]


class SubmissionState(StrEnum):
    """Each value is commented with the transition that it means."""

    WAITING = "waiting"  # surely not taken (the vendor asked to wait, was out of reach, or shows no such); may be sent
    INTENDED = "intended"  # committed just before the call; found by anybody later, it is in doubt
    UNKNOWN = "unknown"  # sent, and the answer is missing: in doubt
    ACCEPTED = "accepted"  # the vendor named its id
    DONE = "done"  # the vendor delivered
    REFUSED = "refused"  # surely not taken, nothing bought; another one may follow
    FAILED = "failed"  # taken, and ended without a result; another one may follow
    WRITTEN_OFF = "written_off"  # an operator gave it up, paid or not; another one may follow


ENDED_WITHOUT_RESULT = (SubmissionState.REFUSED, SubmissionState.FAILED, SubmissionState.WRITTEN_OFF)
LIVE_STATES = tuple(state for state in SubmissionState if state not in ENDED_WITHOUT_RESULT)


def _in_enum(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


_NOW = func.clock_timestamp()


def _new_callback_token() -> str:
    """Not to be guessed: 256 bits."""
    return secrets.token_urlsafe(32)


class Base(DeclarativeBase):
    """Names constraints by rule, so that migrations can name them again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class VideoJob(Base):
    """A job: what was asked, how far it got, who works on it."""

    __tablename__ = "video_jobs"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text, server_default=JobKind.PRO_VIDEO.value)
    is_pro_job: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))  # by which operators tell them apart

    status: Mapped[str] = mapped_column(Text, default=Status.PENDING.value)
    progress_percentage: Mapped[int] = mapped_column(Integer, default=0)
    progress_message: Mapped[str] = mapped_column(Text, default="")
    recovery_point: Mapped[str] = mapped_column(Text, default=RecoveryPoint.OPENED.value)
    parked_reason: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)  # for operators, word for word
    error_code: Mapped[str | None] = mapped_column(Text)  # `videojobs.errors`; of a parked job: why it was parked
    error_problems: Mapped[list[Json] | None] = mapped_column(JSONB)  # of an invalid request: {path, message}
    output_url: Mapped[str | None] = mapped_column(Text)
    zhaoli_task_id: Mapped[str | None] = mapped_column(Text)  # the Sync.so generation id; a historic name

    processing_config: Mapped[Json] = mapped_column(JSONB)
    segments_data: Mapped[Json] = mapped_column(JSONB)
    job_metadata: Mapped[Json] = mapped_column(JSONB, default=dict)

    request: Mapped[Json] = mapped_column(JSONB)  # canonical, as admitted
    request_fingerprint: Mapped[str] = mapped_column(Text)
    facts_json: Mapped[Json] = mapped_column("facts", JSONB, default=dict)

    lease_holder: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claims: Mapped[int] = mapped_column(Integer, default=0)  # since its last point, those that did not end in order

    connections: Mapped[Json] = mapped_column(JSONB, default=dict)  # names of the blocks that it was opened with
    estimate: Mapped[Json | None] = mapped_column(JSONB)  # what it was expected to cost, before it was paid for

    client_key: Mapped[str | None] = mapped_column(Text)  # by which its client may repeat the request
    client_fingerprint: Mapped[str | None] = mapped_column(Text)  # of that request, with the contents of its files

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW, onupdate=_NOW)
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(_in_enum("kind", JobKind), name="kind"),
        CheckConstraint(_in_enum("status", Status), name="status"),
        CheckConstraint(_in_enum("recovery_point", RecoveryPoint), name="recovery_point"),
        CheckConstraint("progress_percentage BETWEEN 0 AND 100", name="progress"),
        # The old system stored effects as a string inside the JSON; here the database refuses that.
        CheckConstraint("jsonb_typeof(processing_config->'effects') = 'array'", name="effects_array"),
        Index("ix_video_jobs_status_updated_at", "status", "updated_at"),
        Index("ix_video_jobs_created_at", "created_at"),
        Index("ix_video_jobs_user_id", "user_id", "created_at"),
        # One job for each key of a user, also where two requests with it come at the same instant.
        Index(
            "uq_video_jobs_client_key",
            "user_id",
            "client_key",
            unique=True,
            postgresql_where=text("client_key IS NOT NULL"),
        ),
    )

    @property
    def point(self) -> RecoveryPoint:
        return RecoveryPoint(self.recovery_point)

    @property
    def job_kind(self) -> JobKind:
        return JobKind(self.kind)

    @cached_property
    def video_request(self) -> JobRequest:
        """The request, parsed; it never changes. A rejected request cannot be parsed: pydantic's ValidationError."""
        return JobRequest.model_validate(self.request)

    @cached_property
    def lecture_request(self) -> LectureRequest:
        """As `video_request`, of a lecture."""
        return LectureRequest.model_validate(self.request)

    @property
    def has_areas(self) -> bool:
        """Whether the request asks for text removal."""
        return bool(self.request.get("effects"))

    @property
    def facts(self) -> JobFacts:
        """What was measured and stored so far. Read when needed: one unreadable row must not stop a query for many."""
        return JobFacts.model_validate(self.facts_json)

    @property
    def cost_estimate(self) -> CostEstimate:
        """The estimate recorded at the start; for a job older than estimates, by the price list."""
        if self.estimate is not None:
            return CostEstimate.model_validate(self.estimate)
        return estimate_from_prices(self.video_request, self.facts, PriceSettings())


class Submission(Base):
    """A paid call: intended, then its outcome. The exact bytes are kept, since a repeat must send the same."""

    __tablename__ = "video_submissions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    job_id: Mapped[str] = mapped_column(ForeignKey("video_jobs.id", ondelete="CASCADE"))
    stage: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int] = mapped_column(Integer)  # 1, 2, ...; a further one only after REFUSED or FAILED
    state: Mapped[str] = mapped_column(Text, default=SubmissionState.INTENDED.value)
    request_body: Mapped[bytes] = mapped_column(LargeBinary)
    body_written_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)  # links in it end
    vendor_id: Mapped[str | None] = mapped_column(Text)  # generation id, work id
    vendor_batch_id: Mapped[str | None] = mapped_column(Text)  # GhostCut's idProject
    vendor_answer: Mapped[Json | None] = mapped_column(JSONB)
    callback_token: Mapped[str] = mapped_column(
        Text, default=_new_callback_token
    )  # in the address that the vendor reports to
    candidate_id: Mapped[str | None] = mapped_column(Text)  # the vendor id that a callback named; a hint
    estimated_usd: Mapped[Decimal | None] = mapped_column(Numeric)
    estimated_points: Mapped[Decimal | None] = mapped_column(Numeric)
    paid_points: Mapped[Decimal | None] = mapped_column(Numeric)
    error: Mapped[str | None] = mapped_column(Text)
    intended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)  # the last time
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(_in_enum("stage", Stage), name="stage"),
        CheckConstraint(_in_enum("state", SubmissionState), name="state"),
        # Never pay twice, as a rule of the database: one live submission per job and stage.
        Index(
            "uq_video_submissions_live",
            "job_id",
            "stage",
            unique=True,
            postgresql_where=text(f"state IN ({', '.join(repr(state.value) for state in LIVE_STATES)})"),
        ),
        Index("uq_video_submissions_callback_token", "callback_token", unique=True),
        Index("ix_video_submissions_intended_at", "intended_at"),  # the day's spending
        Index("uq_video_submissions_attempt", "job_id", "stage", "attempt", unique=True),
        # One vendor id belongs to one submission.
        Index(
            "uq_video_submissions_vendor_id",
            "stage",
            "vendor_id",
            unique=True,
            postgresql_where=text("vendor_id IS NOT NULL"),
        ),
    )

    @property
    def idempotency_key(self) -> str:
        """Derived from our own row, so that every repeat of this submission carries the same key."""
        return f"videojobs-{self.id}"


class JobEvent(Base):
    """One line of the audit log. A trigger refuses updates."""

    __tablename__ = "video_job_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("video_jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    actor: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    point: Mapped[str] = mapped_column(Text)
    progress: Mapped[int] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(Text)
    detail: Mapped[Json | None] = mapped_column(JSONB)
