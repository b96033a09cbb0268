"""The door: read the request, report every problem at once, put the job on the books."""

from collections.abc import Mapping

from prefect.runtime import flow_run

from blocks import Connections
from tasks.runtime.job_task import job_task
from videojobs.db import JobRepository
from videojobs.errors import FieldError, InvalidRequest
from videojobs.lecture.parsing import parse_lecture
from videojobs.requests.models import validate_job_id
from videojobs.requests.parsing import parse_request
from videojobs.states import JobKind


@job_task("check the request")
async def admit(job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    """Open the job. Raises InvalidRequest (recorded as a failed job, nothing paid) or RequestMismatch."""
    await _admit(JobKind.PRO_VIDEO, job_id, raw, connections)


@job_task("check the request")
async def admit_lecture(job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    """As `admit`."""
    await _admit(JobKind.LECTURE, job_id, raw, connections)


async def _admit(kind: JobKind, job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    validate_job_id(job_id)
    repository = await connections.repository()
    actor = f"flow run {flow_run.get_id()}"
    try:
        request = parse_lecture(raw) if kind is JobKind.LECTURE else parse_request(raw)
    except InvalidRequest as error:
        await _record_rejection(repository, kind, job_id, raw, error, actor)
        raise
    await repository.create(job_id, request, actor=actor, connections=connections.model_dump())


async def _record_rejection(
    repository: JobRepository, kind: JobKind, job_id: str, raw: Mapping[str, object], error: InvalidRequest, actor: str
) -> None:
    """Leave a row, so that who only looks at the job state sees why there is no video."""
    await repository.create_rejected(
        job_id,
        user_id=_to_storable_text(raw.get("user_id"))[:200],
        display_name=_to_storable_text(raw.get("display_name"))[:200] or None,
        error=_to_storable_text(str(error)),
        problems=[FieldError(_to_storable_text(item.path), _to_storable_text(item.message)) for item in error.errors],
        kind=kind,
        actor=actor,
    )


def _to_storable_text(value: object) -> str:
    """A refused text as far as a row can hold it: Postgres takes neither NUL nor half a surrogate pair."""
    return value.replace("\0", "").encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
