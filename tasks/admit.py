"""Admission: parse the request, report every problem at once, create the job."""

from collections.abc import Mapping
from contextlib import suppress

from prefect.runtime import flow_run

from blocks import Connections
from tasks.runtime.job_task import job_task
from videojobs.db import JobRepository, VideoJob
from videojobs.errors import FieldError, InvalidRequest, ProblemCode, UnknownJob
from videojobs.lecture.parsing import parse_admitted_lecture, parse_lecture
from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import JobRequest, validate_job_id
from videojobs.requests.parsing import parse_admitted_request, parse_request
from videojobs.states import JobKind
from videojobs.webhooks.url_rules import valid_webhook_url


@job_task("check the request")
async def admit(job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    """Create the job. Raises InvalidRequest (recorded as a failed job, nothing paid) or JobRequestConflict."""
    await _admit(JobKind.PRO_VIDEO, job_id, raw, connections)


@job_task("check the request")
async def admit_lecture(job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    """As `admit`."""
    await _admit(JobKind.LECTURE, job_id, raw, connections)


async def _admit(kind: JobKind, job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    validate_job_id(job_id)
    repository = await connections.repository()
    actor = f"flow run {flow_run.get_id()}"
    admitted = await _find_admitted_job(repository, job_id)
    try:
        request = _parse(kind, raw) if admitted is None else _parse_again(kind, raw)
        await _reject_unknown_connections(repository, connections, admitted)
    except InvalidRequest as error:
        await _record_rejection(repository, kind, job_id, raw, error, actor)
        raise
    await repository.create(job_id, request, actor=actor, connections=connections.model_dump())


async def _find_admitted_job(repository: JobRepository, job_id: str) -> VideoJob | None:
    """The job, unless it is new or its request was rejected."""
    with suppress(UnknownJob):
        job = await repository.get_job(job_id)
        return job if job.request else None
    return None


def _parse(kind: JobKind, raw: Mapping[str, object]) -> JobRequest | LectureRequest:
    return parse_lecture(raw) if kind is JobKind.LECTURE else parse_request(raw)


def _parse_again(kind: JobKind, raw: Mapping[str, object]) -> JobRequest | LectureRequest:
    """Without the rules: limits and providers may have changed since the job was admitted, and parts of it may be paid
    for. `JobRepository.create` compares it with the stored request."""
    return parse_admitted_lecture(raw) if kind is JobKind.LECTURE else parse_admitted_request(raw)


async def _reject_unknown_connections(
    repository: JobRepository, connections: Connections, admitted: VideoJob | None
) -> None:
    """A misspelt name would charge the default account. Raises InvalidRequest.

    A job that exists may name a provider that was uninstalled since.
    """
    unknown = set(connections.unknown_names)
    if unknown and admitted is not None:
        unknown -= admitted.connections.keys()
        unknown -= {submission.provider for submission in await repository.list_submissions(admitted.id)}
    if unknown:
        known = ", ".join(connections.known_names())
        message, code = f"does not exist; there are {known}", ProblemCode.UNKNOWN_FIELD
        raise InvalidRequest([FieldError(f"connections.{name}", message, code) for name in sorted(unknown)])


async def _record_rejection(
    repository: JobRepository, kind: JobKind, job_id: str, raw: Mapping[str, object], error: InvalidRequest, actor: str
) -> None:
    """Record the rejected job, so that the job state alone shows why there is no video."""
    await repository.create_rejected(
        job_id,
        user_id=_to_storable_text(raw.get("user_id"))[:200],
        display_name=_to_storable_text(raw.get("display_name"))[:200] or None,
        error=_to_storable_text(str(error)),
        problems=[
            FieldError(_to_storable_text(item.path), _to_storable_text(item.message), item.code)
            for item in error.errors
        ],
        kind=kind,
        actor=actor,
        callback_url=valid_webhook_url(raw.get("callback_url")),
    )


def _to_storable_text(value: object) -> str:
    """The text without what Postgres cannot store: NUL and half a surrogate pair."""
    return value.replace("\0", "").encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
