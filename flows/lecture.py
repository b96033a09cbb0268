"""The second job kind: a lecture video becomes subtitles and a PDF of its slides with their text. It buys nothing."""

from contextlib import suppress
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field
from pydantic_core import to_jsonable_python

from blocks import Connections
from tasks.admit import admit_lecture
from tasks.lecture import (
    detect_slides,
    fetch_lecture,
    gather_fail_fast,
    publish_lecture,
    publish_lecture_artifacts,
    recognise_speech,
    write_documents,
)
from tasks.runtime.cancellation import record_cancellation
from tasks.runtime.failures import record_failure
from tasks.runtime.job_run import JobRun, claim_job
from tasks.runtime.lecture_workspace import open_workspace
from tasks.runtime.operator_alerts import parked_state
from videojobs.errors import JobParked, LeaseLost
from videojobs.lecture.options import LectureOptions
from videojobs.requests.models import ID_PATTERN
from videojobs.testing.fault_injection import current_job_id
from videojobs.webhooks.url_rules import MAX_URL_LENGTH


def _run_name() -> str:
    parameters = flow_run.get_parameters()
    return str(parameters.get("display_name") or parameters.get("job_id") or f"lecture {flow_run.get_id()}")


@flow(
    name="lecture",
    flow_run_name=_run_name,
    # `admit_lecture` validates: it reports every problem at once, and records them in the job's row.
    validate_parameters=False,
    on_cancellation=[record_cancellation],
)
async def lecture(
    video: Annotated[str, Field(min_length=1)],
    display_name: Annotated[str, Field(max_length=200)] = "",
    user_id: Annotated[str, Field(pattern=ID_PATTERN)] = "default",
    options: LectureOptions = LectureOptions(),  # noqa: B008  # frozen
    callback_url: Annotated[str, Field(max_length=MAX_URL_LENGTH)] = "",
    job_id: str | None = None,
    connections: Connections = Connections(),  # noqa: B008  # frozen
) -> State[Any] | str:
    """Turn the video of a lecture into subtitles (SRT, VTT) and a PDF of its slides with the spoken text below.

    Args:
        video: Where the video is: s3://bucket/key, https://..., or a file path on the worker's machine (local use).
        display_name: The lecture's name in lists, and the PDF's title.
        user_id: Whose job it is; the results are stored under users/{user_id}/.
        options: Speech, subtitles, slides and PDF. The defaults are right for most lectures.
        callback_url: Where the job's events are sent, as signed webhooks. Do not put a secret into it.
        job_id: Leave empty: the run's own id is used. Give the id of an earlier job to continue it.
        connections: The blocks to use. Change it only if you keep several sets of credentials.
    """
    raw = {
        "video": video,
        "display_name": display_name,
        "user_id": user_id,
        "options": options,
        "callback_url": callback_url,
    }
    job_id = job_id or str(flow_run.get_id())
    current_job_id.set(job_id)
    connections = Connections.for_job(connections)  # `admit` refuses names that do not exist
    await admit_lecture(job_id, to_jsonable_python(raw), connections)
    try:
        async with claim_job(job_id, connections) as run:
            return await _run_steps(run)
    except LeaseLost as error:
        return Completed(name="Skipped", message=f"Nothing was done: {error}")
    except JobParked as error:
        return parked_state(job_id, error)


async def _run_steps(run: JobRun) -> str:
    """Each step reads the job's state first, so a repeated run continues where the last one stopped."""
    try:
        with open_workspace() as workspace:
            await fetch_lecture(run, workspace)
            await gather_fail_fast(recognise_speech(run, workspace), detect_slides(run, workspace))
            await write_documents(run, workspace)
        pdf = await publish_lecture(run)
    except LeaseLost:
        raise
    except Exception as error:
        await record_failure(run, error)
        raise
    with suppress(Exception):  # Prefect has logged it; the documents are published
        await publish_lecture_artifacts(run)
    return pdf
