"""The product's main job: lip-sync, text removal, or one after the other; then the finished video."""

from contextlib import suppress
from typing import Annotated, Any, Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field
from pydantic_core import to_jsonable_python

from blocks import Connections
from flows.remove_text import remove_text
from tasks.admit import admit
from tasks.estimate_cost import estimate_cost
from tasks.lip_sync import await_lip_sync, has_lip_sync, store_lip_sync, submit_lip_sync
from tasks.publish import publish, publish_video_artifacts
from tasks.runtime.cancellation import record_cancellation
from tasks.runtime.failures import crash_orphaned_subflows, record_failure
from tasks.runtime.job_run import JobRun, claim_job
from tasks.runtime.operator_alerts import parked_state
from tasks.runtime.paid_stage import stage_slot
from tasks.text_removal import has_text_to_remove
from tasks.upload import upload
from videojobs.errors import JobParked, LeaseLost
from videojobs.requests.models import ID_PATTERN, AnnotationArea, AudioFile, Options, Segment, TextRemoval
from videojobs.states import Stage
from videojobs.testing.fault_injection import current_job_id
from videojobs.webhooks.url_rules import MAX_URL_LENGTH


def _run_name() -> str:
    parameters = flow_run.get_parameters()
    return str(parameters.get("display_name") or parameters.get("job_id") or f"job {flow_run.get_id()}")


# The form's initial values, to be emptied for text removal only. Not a default: a run without them has no lip-sync.
_EXAMPLE_AUDIO: Final = [{"refId": "audio-1", "source": "https://example.com/new-speech.wav"}]
_EXAMPLE_SEGMENTS: Final = [{"startTime": 0.0, "endTime": 1.8, "audioInput": {"refId": "audio-1"}}]


def _form_example(example: object) -> Any:
    return Field(json_schema_extra={"default": example})  # type: ignore[dict-item]  # any JSON will do


@flow(
    name="pro-video",
    flow_run_name=_run_name,
    # `admit` validates: it reports every problem at once, and records them in the job's row.
    validate_parameters=False,
    on_cancellation=[record_cancellation],
)
async def pro_video(
    video: Annotated[str, Field(min_length=1)],
    audio: Annotated[list[AudioFile], _form_example(_EXAMPLE_AUDIO)] = [],  # noqa: B006  # `admit` copies
    segments: Annotated[list[Segment], _form_example(_EXAMPLE_SEGMENTS)] = [],  # noqa: B006  # as above
    effects: list[AnnotationArea] = [],  # noqa: B006  # as above; Prefect shows an empty list
    text_removal: TextRemoval | None = None,
    display_name: Annotated[str, Field(max_length=200)] = "",
    user_id: Annotated[str, Field(pattern=ID_PATTERN)] = "default",
    options: Options = Options(),  # noqa: B008  # frozen
    callback_url: Annotated[str, Field(max_length=MAX_URL_LENGTH)] = "",
    job_id: str | None = None,
    connections: Connections = Connections(),  # noqa: B008  # frozen
) -> State[Any] | str:
    """Give a video new speech, erase burned-in text from its picture, or do both.

    Args:
        video: Where the video is: s3://bucket/key, https://..., or a file path on the worker's machine (local use).
        audio: The new speech: one entry for each audio file, with the name by which segments refer to it. Empty: text
            removal only.
        segments: Which time ranges of the video get new speech. They must not overlap. Empty: one audio file for the
            whole video.
        effects: Areas whose text is removed (erasure, text) or protected (protection). None: lip-sync only, unless
            text is removed from the whole frame.
        text_removal: whole_frame removes text from the whole picture, except in areas of kind protection. Leave it
            empty to remove what the areas say.
        display_name: The job's name in lists.
        user_id: Whose job it is; the results are stored under users/{user_id}/.
        options: Models and modes of the vendors. The defaults are right for most videos.
        callback_url: Where the job's events are sent, as signed webhooks. Do not put a secret into it.
        job_id: Leave empty: the run's own id is used. Give the id of an earlier job to continue it.
        connections: The blocks to use. Change it only if you keep several sets of credentials.
    """
    raw = {
        "video": video,
        "audio": audio,
        "segments": segments,
        "effects": effects,
        "text_removal": text_removal,
        "display_name": display_name,
        "user_id": user_id,
        "options": options,
        "callback_url": callback_url,
    }
    job_id = job_id or str(flow_run.get_id())
    current_job_id.set(job_id)
    connections = Connections.for_job(connections)  # `admit` refuses names that do not exist
    await admit(job_id, to_jsonable_python(raw), connections)
    try:
        async with claim_job(job_id, connections) as run:
            return await _run_steps(run)
    except LeaseLost as error:
        return Completed(name="Skipped", message=f"Nothing was done: {error}")
    except JobParked as error:
        return parked_state(job_id, error)
    finally:
        await crash_orphaned_subflows()


async def _run_steps(run: JobRun) -> str:
    """Each step reads the job's state first, so a repeated run continues where the last one stopped."""
    try:
        await upload(run)
        await estimate_cost(run)
        if await has_lip_sync(run):
            async with stage_slot(run, Stage.LIP_SYNC):
                await submit_lip_sync(run)
                await await_lip_sync(run)
            await store_lip_sync(run)
        if await has_text_to_remove(run):
            await remove_text(run)
        video = await publish(run)
    except LeaseLost:
        raise
    except Exception as error:
        await record_failure(run, error)
        raise
    with suppress(Exception):  # logged by Prefect; a missing picture does not undo a finished video
        await publish_video_artifacts(run)
    return video
