"""The door: read the request, report every problem at once, put the job on the books."""

from collections.abc import Mapping

from prefect.runtime import flow_run

from blocks import Connections
from tasks.steps import step
from videojobs.errors import InvalidRequest
from videojobs.intake import parse_request
from videojobs.lecture.intake import parse_lecture
from videojobs.ledger import Ledger
from videojobs.request import check_job_id
from videojobs.states import Work


@step("check the request")
async def admit(job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    """Open the job. Raises InvalidRequest (recorded as a failed job, nothing paid) or RequestMismatch."""
    await _admit(Work.PRO_VIDEO, job_id, raw, connections)


@step("check the request")
async def admit_lecture(job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    """As `admit`."""
    await _admit(Work.LECTURE, job_id, raw, connections)


async def _admit(work: Work, job_id: str, raw: Mapping[str, object], connections: Connections) -> None:
    check_job_id(job_id)
    ledger = await connections.ledger()
    actor = f"flow run {flow_run.get_id()}"
    try:
        request = parse_lecture(raw) if work is Work.LECTURE else parse_request(raw)
    except InvalidRequest as error:
        await _refuse(ledger, work, job_id, raw, error, actor)
        raise
    await ledger.open(job_id, request, actor=actor, connections=connections.model_dump())


async def _refuse(
    ledger: Ledger, work: Work, job_id: str, raw: Mapping[str, object], error: InvalidRequest, actor: str
) -> None:
    """Leave a row, so that who only looks at the job state sees why there is no video."""
    await ledger.open_refused(
        job_id,
        user_id=_storable(raw.get("user_id"))[:200],
        display_name=_storable(raw.get("display_name"))[:200] or None,
        error=_storable(str(error)),
        kind=work,
        actor=actor,
    )


def _storable(value: object) -> str:
    """A refused text as far as a row can hold it: Postgres takes neither NUL nor half a surrogate pair."""
    return value.replace("\0", "").encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
