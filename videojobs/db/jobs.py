"""The life cycle of a job: creation, lease, progress, end."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import JobEventKind, Json, Submission, VideoJob
from videojobs.db.repository_base import (
    NOW,
    Lease,
    RepositoryBase,
    add_event,
    add_public_event,
    clear_error,
    load_job,
    merge_json,
    move_to_point,
    parse_flow_run_id,
    reopen_job,
)
from videojobs.db.webhook_outbox import enqueue_webhooks
from videojobs.errors import (
    FieldError,
    InvalidRequest,
    JobParked,
    JobRequestConflict,
    PermanentError,
    RetryableError,
    WorkCancelled,
)
from videojobs.lecture.request import LectureRequest
from videojobs.pipeline.facts import JobFacts
from videojobs.progress import POINT_SPECS, completed_message
from videojobs.requests.models import JobRequest, fingerprint, to_canonical_json
from videojobs.states import UNFINISHED_STATUSES, JobKind, RecoveryPoint, Status
from videojobs.webhooks.events import WebhookEvent


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client's `Idempotency-Key`, and the fingerprint of the request sent with it, files included."""

    value: str
    fingerprint: str


class JobWrites(RepositoryBase):
    """Creation, lease, progress, end."""

    # ---- creation ----------------------------------------------------------------------------------------

    async def create(
        self,
        job_id: str,
        request: JobRequest | LectureRequest,
        *,
        actor: str,
        connections: Mapping[str, str] | None = None,
        client_key: ClientKey | None = None,
        changes: Sequence[str] = (),
        source_file_name: str | None = None,
    ) -> VideoJob:
        """Create a job, or return the existing one. Raises JobRequestConflict if that one has another request.

        `connections` are block names, stored so that the clean-up can resume the job through the same blocks.
        `changes` say what was interpreted differently from what was sent; they are stored in the event.
        `source_file_name` is the client's own name of the video, for its lists.
        With a `client_key` that this user has used before, returns the job of that time, under its own id.
        """
        row = new_job_row(job_id, request) | {
            "connections": dict(connections or {}),
            "client_key": client_key.value if client_key else None,
            "client_fingerprint": client_key.fingerprint if client_key else None,
            "source_file_name": source_file_name,
        }
        async with self._transaction("create", job_id) as session:
            if await insert_job(session, row):
                job = await load_job(session, job_id)
                add_event(session, job, actor, JobEventKind.OPENED, {"changes": list(changes)} if changes else None)
                return job
            if client_key and (first := await _find_by_client_key(session, request.user_id, client_key)):
                return first
            job = await load_job(session, job_id)
            if job.request_fingerprint != row["request_fingerprint"]:
                raise JobRequestConflict(
                    f"job {job_id} exists with another request; use a new job_id, or send the first request again"
                )
            return job

    async def create_rejected(
        self,
        job_id: str,
        *,
        user_id: str,
        display_name: str | None,
        error: str,
        problems: Sequence[FieldError] = (),
        actor: str,
        kind: JobKind = JobKind.PRO_VIDEO,
        callback_url: str | None = None,
    ) -> None:
        """Record a rejected request, so that the client can see why. Does not change an existing job.

        `callback_url` is that of the request, if it is valid.
        """
        row: Json = {
            "id": job_id,
            "kind": kind,
            "is_pro_job": kind is JobKind.PRO_VIDEO,
            "user_id": user_id,
            "display_name": display_name,
            "status": Status.FAILED,
            "progress_message": "Refused",
            "error_message": error,
            "error_code": InvalidRequest.code,
            "error_problems": _problems_json(problems),
            "processing_config": {"effects": []},
            "segments_data": {"segments": [], "total_segments": 0},
            "job_metadata": {},
            "request": {},
            "request_fingerprint": "",
        }
        async with self._transaction("create_rejected", job_id) as session:
            if await insert_job(session, row):
                job = await load_job(session, job_id)
                add_event(session, job, actor, JobEventKind.REFUSED, {"error": error})
                await enqueue_webhooks(session, job, WebhookEvent.FAILED, callback_url=callback_url)

    # ---- the lease ---------------------------------------------------------------------------------------

    async def acquire_lease(self, lease: Lease, seconds: float) -> str | None:
        """Acquire the job's lease. Returns None on success, else the holder whose lease is still valid.

        Sets a pending or cancelled job to `processing`. A failed or parked job stays as it is.
        """
        async with self._transaction("acquire_lease", lease.job_id) as session:
            job = await load_job(session, lease.job_id, lock=True)
            previous_holder = job.lease_holder
            alive = await session.scalar(select(VideoJob.lease_until >= NOW).where(VideoJob.id == job.id))
            if previous_holder not in (None, lease.holder) and alive:
                return previous_holder
            job.lease_holder = lease.holder
            job.lease_until = await session.scalar(select(NOW + timedelta(seconds=seconds)))
            job.claims += 1
            starts = job.status in (Status.PENDING, Status.CANCELLED)
            if starts:
                job.status = Status.PROCESSING
                job.completed_at = None
                clear_error(job)
            expired = {"expired_holder": previous_holder} if previous_holder not in (None, lease.holder) else {}
            add_event(session, job, lease.holder, JobEventKind.LEASE_ACQUIRED, {"claims": job.claims, **expired})
            if starts:
                await enqueue_webhooks(session, job, WebhookEvent.STARTED)
            return None

    async def renew_leases(self, leases: Sequence[Lease], seconds: float) -> set[str]:
        """Renew the leases of a process in one statement. Returns the ids of the jobs that it still holds.

        Skips rows that are locked at the moment, so that renewals never block; the next renewal takes them.
        """
        ours = tuple_(VideoJob.id, VideoJob.lease_holder).in_([(lease.job_id, lease.holder) for lease in leases])
        free = select(VideoJob.id).where(ours).with_for_update(skip_locked=True)
        async with self._transaction("renew_leases", leases[0].job_id) as session:
            renewed = await session.scalars(
                update(VideoJob)
                .where(VideoJob.id.in_(free.scalar_subquery()))
                # Keep `updated_at`: operators read it as the time of the last progress.
                .values(lease_until=NOW + timedelta(seconds=seconds), updated_at=VideoJob.updated_at)
                .returning(VideoJob.id)
            )
            return set(renewed)

    async def release_lease(self, lease: Lease, *, clean_exit: bool = True) -> None:
        """Release the lease; does nothing if another run holds it.

        `clean_exit` is False after an unhandled error: the run then counts towards the limit of crashes per point.
        """
        async with self._transaction("release_lease", lease.job_id) as session:
            await session.execute(
                update(VideoJob)
                .where(VideoJob.id == lease.job_id, VideoJob.lease_holder == lease.holder)
                .values(
                    lease_holder=None,
                    lease_until=None,
                    claims=func.greatest(VideoJob.claims - int(clean_exit), 0),
                    updated_at=VideoJob.updated_at,
                )
            )

    # ---- progress ----------------------------------------------------------------------------------------

    async def advance(
        self, lease: Lease, target: RecoveryPoint, *, metadata: Json | None = None, facts: JobFacts | None = None
    ) -> VideoJob:
        """Move to the next recovery point. Does nothing if the job has reached it already."""
        async with self._locked_job("advance", lease) as (session, job):
            if move_to_point(job, target):
                merge_json(job, metadata, facts)
                await add_public_event(
                    session, job, lease.holder, JobEventKind.ADVANCED, WebhookEvent.PROGRESS, metadata
                )
            return job

    async def update_progress(
        self, lease: Lease, progress: int, message: str, *, detail: Json | None = None
    ) -> VideoJob:
        """Progress within a recovery point: percent (never falls) and message. Adds no event if nothing changed."""
        async with self._locked_job("update_progress", lease) as (session, job):
            higher = max(job.progress_percentage, progress)
            if (higher, message) != (job.progress_percentage, job.progress_message) or detail is not None:
                job.progress_percentage = higher
                job.progress_message = message
                await add_public_event(session, job, lease.holder, JobEventKind.PROGRESS, WebhookEvent.PROGRESS, detail)
            return job

    async def record_event(self, lease: Lease, kind: JobEventKind, detail: Json) -> None:
        """Add an event that changes neither recovery point nor progress."""
        async with self._locked_job("record_event", lease) as (session, job):
            add_event(session, job, lease.holder, kind, detail)

    # ---- end ---------------------------------------------------------------------------------------------

    async def complete(self, lease: Lease, output_url: str) -> VideoJob:
        """Complete the job; its result is stored at `output_url`."""
        async with self._locked_job("complete", lease) as (session, job):
            last_point = job.recovery_point
            if move_to_point(job, RecoveryPoint.COMPLETED):
                job.status = Status.COMPLETED
                job.progress_message = completed_message(last_point, job.stages)
                job.output_url = output_url
                job.completed_at = await session.scalar(select(NOW))
                detail = {"output_url": output_url}
                await add_public_event(
                    session, job, lease.holder, JobEventKind.COMPLETED, WebhookEvent.COMPLETED, detail
                )
            return job

    async def fail(
        self,
        lease: Lease,
        error: str,
        *,
        code: str = PermanentError.code,
        problems: Sequence[FieldError] = (),
        fallback_url: str | None = None,
    ) -> VideoJob:
        """The job ends without its result; `fallback_url` is what it can offer instead. Its recovery point stays.

        `code` is that of the error (`videojobs.errors`); `problems` are those of an invalid request.
        """
        async with self._locked_job("fail", lease) as (session, job):
            job.status = Status.FAILED
            job.parked_reason = None
            job.error_message, job.error_code = error, code
            job.error_problems = _problems_json(problems)
            job.output_url = fallback_url
            job.completed_at = await session.scalar(select(NOW))
            await add_public_event(
                session, job, lease.holder, JobEventKind.FAILED, WebhookEvent.FAILED, {"error": error}
            )
            return job

    async def park(
        self,
        lease: Lease,
        reason: str,
        *,
        code: str = JobParked.code,
        detail: Json | None = None,
        unresolved: Submission | None = None,
    ) -> VideoJob:
        """Stop until an operator decides. The status stays `processing`, so that the operators' query finds it.

        `unresolved` is the submission whose outcome is unknown. Raises RetryableError if a callback has reported on it
        since it was read.
        """
        async with self._locked_job("park", lease) as (session, job):
            if unresolved is not None:
                known = await session.get_one(Submission, unresolved.id)
                if known.reported_vendor_id != unresolved.reported_vendor_id:
                    raise RetryableError(
                        "a callback has just reported this submission's id; querying the vendor about it"
                    )
            job.parked_reason, job.error_code = reason, code
            job.progress_message = f"Parked for an operator: {reason}"
            detail = {"reason": reason, **(detail or {})}
            await add_public_event(session, job, lease.holder, JobEventKind.PARKED, WebhookEvent.PARKED, detail)
            return job

    async def cancel(self, job_id: str, flow_run_id: str, message: str, *, actor: str) -> VideoJob | None:
        """Record that the flow run `flow_run_id` was cancelled. None if it is not this job's current run.

        The recovery point and all submissions stay: no vendor can cancel, so a later run uses what they finish.
        """
        async with self._transaction("cancel", job_id) as session:
            job = await load_job(session, job_id, lock=True)
            others = job.lease_holder is not None and parse_flow_run_id(job.lease_holder) != flow_run_id
            if others or job.status not in UNFINISHED_STATUSES or job.parked_reason is not None:
                return None
            job.lease_holder, job.lease_until = None, None
            job.status = Status.CANCELLED
            job.error_message = job.progress_message = message
            job.error_code = WorkCancelled.code
            job.completed_at = await session.scalar(select(NOW))
            detail = {"run": flow_run_id, "message": message}
            await add_public_event(session, job, actor, JobEventKind.CANCELLED, WebhookEvent.CANCELLED, detail)
            return job

    async def reopen(self, lease: Lease, reason: Json) -> VideoJob:
        """Let a parked, failed or cancelled job continue; `reason` goes into the event.

        If its paid step has no live submission, the job returns to the point before it, so that a new one can be
        bought; its progress stays. Raises VideoJobError for a completed job.
        """
        async with self._locked_job("reopen", lease) as (session, job):
            await reopen_job(session, job, lease.holder, reason)
            return job


def _problems_json(problems: Sequence[FieldError]) -> list[Json] | None:
    return [asdict(problem) for problem in problems] or None


def new_job_row(job_id: str, request: JobRequest | LectureRequest) -> Json:
    """The row of a new job."""
    request_json = to_canonical_json(request)
    is_lecture = isinstance(request, LectureRequest)
    segments = request_json.get("segments", [])
    return {
        "id": job_id,
        "kind": JobKind.LECTURE if is_lecture else JobKind.PRO_VIDEO,
        "is_pro_job": not is_lecture,
        "user_id": request.user_id,
        "display_name": request.display_name,
        "progress_message": POINT_SPECS[RecoveryPoint.OPENED].message,
        "processing_config": {"effects": request_json.get("effects", []), "options": request_json["options"]}
        | {name: request_json[name] for name in ("text_removal",) if name in request_json},
        "segments_data": {"segments": segments, "total_segments": len(segments)},
        "job_metadata": {} if is_lecture else {"segments_count": len(segments)},
        "request": request_json,
        "request_fingerprint": fingerprint(request),
    }


async def _find_by_client_key(session: AsyncSession, user_id: str, client_key: ClientKey) -> VideoJob | None:
    """The job created with this key. Raises JobRequestConflict if its request was another one."""
    query = select(VideoJob).where(VideoJob.user_id == user_id, VideoJob.client_key == client_key.value)
    first: VideoJob | None = await session.scalar(query)
    if first is not None and first.client_fingerprint != client_key.fingerprint:
        raise JobRequestConflict("this Idempotency-Key belongs to another request; use a new key for each job")
    return first


async def insert_job(session: AsyncSession, row: Json) -> bool:
    """Whether the row is new."""
    statement = insert(VideoJob).values(row).on_conflict_do_nothing().returning(VideoJob.id)
    return await session.scalar(statement) is not None
