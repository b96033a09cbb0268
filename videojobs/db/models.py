"""The three tables of job state.

`video_jobs`        One row per job. The operators' queries (requirements M5) run on it unchanged. They use
                    `processing_config`, `segments_data` and `job_metadata`; the pipeline itself reads `request`,
                    `facts` and `recovery_point`.
`video_submissions` One row per intended paid call, written *before* the call.
`video_job_events`  Append-only audit log: who changed a job, when, to what and why.

Lease         The right to work on a job, held by one attempt of one flow run. It expires unless it is renewed.
Submission    One paid call: its intent, the exact request bytes, and its outcome.
Live          A submission that may still deliver, or has. A job has at most one per stage.
Parked        The job waits for an operator. Its status stays `processing`, and no run continues it.
Facts         What was measured and stored so far (`videojobs.pipeline.facts`).

All times are the database's clock (`clock_timestamp()`), never a worker's.
"""

import enum
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
    Enum,
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
from videojobs.pipeline.facts import JobFacts
from videojobs.requests.models import JobRequest, requested_stages
from videojobs.states import JobKind, RecoveryPoint, Stage, Stages, Status

Json = dict[str, Any]


class SubmissionState(StrEnum):
    """What is known of a paid call."""

    WAITING = "waiting"  # not accepted: rate-limited, unreachable, or proven to be missing at the vendor; may be sent
    INTENDED = "intended"  # committed just before the call; outcome unknown if another run finds it in this state
    UNKNOWN = "unknown"  # sent, and the response was lost: outcome unknown
    ACCEPTED = "accepted"  # the vendor returned its id
    DONE = "done"  # the vendor delivered a result
    REFUSED = "refused"  # rejected, nothing bought; may be followed by a new submission
    FAILED = "failed"  # accepted, ended without a result; may be followed by a new submission
    WRITTEN_OFF = "written_off"  # given up by an operator, paid or not; may be followed by a new submission


IN_DOUBT_STATES = (SubmissionState.INTENDED, SubmissionState.UNKNOWN)
ENDED_WITHOUT_RESULT = (SubmissionState.REFUSED, SubmissionState.FAILED, SubmissionState.WRITTEN_OFF)
LIVE_STATES = tuple(state for state in SubmissionState if state not in ENDED_WITHOUT_RESULT)


def _in_enum(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


_NOW = func.clock_timestamp()
_NULLABLE_JSON = JSONB(none_as_null=True)  # None is SQL's NULL, not JSON's null, which `IS NULL` does not find


def _new_callback_token() -> str:
    """256 random bits, so that it cannot be guessed."""
    return secrets.token_urlsafe(32)


class Base(DeclarativeBase):
    """Constraints are named by rule, so that migrations can name them again. Enums are stored as text, by value."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        StrEnum: Enum(enum.Enum, native_enum=False, values_callable=lambda members: [each.value for each in members])
    }
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
    """A job: its request, its progress and its lease."""

    __tablename__ = "video_jobs"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text)
    display_name: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[JobKind] = mapped_column(server_default=JobKind.PRO_VIDEO.value)
    is_pro_job: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))  # operators filter by it

    status: Mapped[Status] = mapped_column(default=Status.PENDING)
    progress_percentage: Mapped[int] = mapped_column(Integer, default=0)
    progress_message: Mapped[str] = mapped_column(Text, default="")
    recovery_point: Mapped[RecoveryPoint] = mapped_column(default=RecoveryPoint.OPENED)
    parked_reason: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)  # for operators, word for word
    error_code: Mapped[str | None] = mapped_column(Text)  # `videojobs.errors`; of a parked job: why it was parked
    error_problems: Mapped[list[Json] | None] = mapped_column(_NULLABLE_JSON)  # {path, message, code}; old: no code
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
    claims: Mapped[int] = mapped_column(
        Integer, default=0
    )  # runs since the last recovery point that did not exit cleanly

    connections: Mapped[Json] = mapped_column(JSONB, default=dict)  # names of the blocks it was created with
    estimate: Mapped[Json | None] = mapped_column(_NULLABLE_JSON)  # CostEstimate, recorded before anything is bought

    client_key: Mapped[str | None] = mapped_column(Text)  # the client's Idempotency-Key
    client_fingerprint: Mapped[str | None] = mapped_column(Text)  # of the request sent with it, file contents included

    source_file_name: Mapped[str | None] = mapped_column(Text)  # the client's name of a video that came in a form
    link_key: Mapped[uuid.UUID] = mapped_column(server_default=func.gen_random_uuid())  # signs links to the result

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW, onupdate=_NOW)
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(_in_enum("kind", JobKind), name="kind"),
        CheckConstraint(_in_enum("status", Status), name="status"),
        CheckConstraint(_in_enum("recovery_point", RecoveryPoint), name="recovery_point"),
        CheckConstraint("progress_percentage BETWEEN 0 AND 100", name="progress"),
        # The old system stored effects as a string inside the JSON. The database rejects that.
        CheckConstraint("jsonb_typeof(processing_config->'effects') = 'array'", name="effects_array"),
        Index("ix_video_jobs_status_updated_at", "status", "updated_at"),
        Index("ix_video_jobs_created_at", "created_at"),
        Index("ix_video_jobs_user_id", "user_id", "created_at"),
        # One job per key of a user, also when two requests with the same key arrive at once.
        Index(
            "uq_video_jobs_client_key",
            "user_id",
            "client_key",
            unique=True,
            postgresql_where=text("client_key IS NOT NULL"),
        ),
    )

    @cached_property
    def video_request(self) -> JobRequest:
        """The request, parsed; it never changes. A rejected request cannot be parsed: pydantic's ValidationError."""
        return JobRequest.model_validate(self.request)

    @cached_property
    def lecture_request(self) -> LectureRequest:
        """As `video_request`, of a lecture."""
        return LectureRequest.model_validate(self.request)

    @property
    def stages(self) -> Stages:
        """The paid stages that the request asks for; none for a lecture or a rejected request."""
        return requested_stages(self.request)

    @property
    def has_lip_sync(self) -> bool:
        """Whether the request asks for lip-sync."""
        return Stage.LIP_SYNC in self.stages

    @property
    def has_text_removal(self) -> bool:
        """Whether the request asks for text removal."""
        return Stage.TEXT_REMOVAL in self.stages

    @property
    def facts(self) -> JobFacts:
        """What was measured and stored so far. Read when needed: one unreadable row must not stop a query for many."""
        return JobFacts.model_validate(self.facts_json)


class Submission(Base):
    """A paid call: its intent, then its outcome. Keeps the exact bytes, because a retry must send the same ones."""

    __tablename__ = "video_submissions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    job_id: Mapped[str] = mapped_column(ForeignKey("video_jobs.id", ondelete="CASCADE"))
    stage: Mapped[Stage]
    provider: Mapped[str] = mapped_column(Text)  # key of `videojobs.providers`: the vendor that was or is to be paid
    attempt: Mapped[int] = mapped_column(Integer)  # 1, 2, ...; the next one only after REFUSED, FAILED or WRITTEN_OFF
    state: Mapped[SubmissionState] = mapped_column(default=SubmissionState.INTENDED)
    request_body: Mapped[bytes] = mapped_column(LargeBinary)
    body_written_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)  # its links expire
    vendor_id: Mapped[str | None] = mapped_column(Text)
    vendor_batch_id: Mapped[str | None] = mapped_column(Text)  # of a request that makes several
    vendor_answer: Mapped[Json | None] = mapped_column(_NULLABLE_JSON)
    callback_token: Mapped[str] = mapped_column(Text, default=_new_callback_token)  # part of the callback URL
    reported_vendor_id: Mapped[str | None] = mapped_column(Text)  # the id that a callback named; a hint, not a proof
    estimated_usd: Mapped[Decimal | None] = mapped_column(Numeric)
    estimated_points: Mapped[Decimal | None] = mapped_column(Numeric)
    paid_points: Mapped[Decimal | None] = mapped_column(Numeric)
    error: Mapped[str | None] = mapped_column(Text)
    intended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)  # of the latest attempt
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint(_in_enum("stage", Stage), name="stage"),
        CheckConstraint(_in_enum("state", SubmissionState), name="state"),
        # Never pay twice, enforced by the database: one live submission per job and stage.
        Index(
            "uq_video_submissions_live",
            "job_id",
            "stage",
            unique=True,
            postgresql_where=text(f"state IN ({', '.join(repr(state.value) for state in LIVE_STATES)})"),
        ),
        Index("uq_video_submissions_callback_token", "callback_token", unique=True),
        Index("ix_video_submissions_intended_at", "intended_at"),  # spending of a day
        Index("uq_video_submissions_attempt", "job_id", "stage", "attempt", unique=True),
        # One vendor id belongs to one submission.
        Index(
            "uq_video_submissions_vendor_id",
            "provider",
            "vendor_id",
            unique=True,
            postgresql_where=text("vendor_id IS NOT NULL"),
        ),
    )

    @property
    def idempotency_key(self) -> str:
        """Derived from the row, so that every retry of this submission sends the same key."""
        return f"videojobs-{self.id}"


class JobEventKind(StrEnum):
    """What happened to a job. `deployments/api/views/event_texts.py` has the text of each for users."""

    OPENED = "opened"  # the request was accepted
    REFUSED = "refused"  # the request was rejected; or the vendor rejected the submission
    LEASE_ACQUIRED = "lease_acquired"  # a run works on the job
    ESTIMATED = "estimated"
    SHORTENED = "shortened"  # ends of segments were moved
    PROGRESS = "progress"  # only progress or message changed
    ADVANCED = "advanced"  # to the next recovery point
    INTENDED = "intended"  # a paid call follows
    RENEWED = "renewed"  # a submission that was not accepted gets new links
    ACCEPTED = "accepted"  # the vendor has accepted it, which costs money
    ACCEPTED_AFTER_WRITE_OFF = "accepted_after_write_off"
    WAITING = "waiting"  # the vendor has no capacity; nothing was bought
    UNKNOWN = "unknown"  # the vendor's response was lost
    NOT_TAKEN = "not_taken"  # the vendor proved that it never received the submission
    NO_ANSWER = "no_answer"  # the vendor does not report a status
    CALLBACK_RECEIVED = "callback_received"
    DONE = "done"  # the vendor has delivered
    LATE_OUTCOME = "late_outcome"  # of an earlier attempt, noted only
    BOUGHT_TWICE = "bought_twice"  # the vendor made two of one submission
    WRITTEN_OFF = "written_off"  # an operator gave a submission up
    INTERRUPTED = "interrupted"  # a run ended with an unhandled error
    CLEANUP_ACTION = "cleanup_action"
    PARKED = "parked"
    REOPENED = "reopened"  # a parked or failed job continues
    GIVEN_UP = "given_up"  # by an operator
    COMPLETED = "completed"
    FAILED = "failed"  # the job; or the vendor's work
    CANCELLED = "cancelled"
    LINKS_REVOKED = "links_revoked"  # links to the result


class JobEvent(Base):
    """One entry of the audit log. A trigger rejects updates."""

    __tablename__ = "video_job_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("video_jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    actor: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    """A `JobEventKind`, or one that only an earlier version wrote."""
    point: Mapped[RecoveryPoint]
    progress: Mapped[int] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(Text)
    detail: Mapped[Json | None] = mapped_column(_NULLABLE_JSON)
