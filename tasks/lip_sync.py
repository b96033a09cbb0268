"""The lip-sync stage: submit the segments or the whole video once, wait for the vendor, store the result."""

from prefect.logging import get_run_logger

from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from tasks.runtime.paid_stage import await_stage, find_provider, presign_for_vendor, store_stage, submit_stage
from tasks.runtime.polling import polling_task
from tasks.runtime.progress_artifact import report_progress
from videojobs.db import JobEventKind, JobRepository, VideoJob
from videojobs.errors import InvalidRequest
from videojobs.pipeline.segment_adjustment import fit_request_segments
from videojobs.progress import LIP_SYNC_DONE
from videojobs.providers.base import StageInputs
from videojobs.requests.media_rules import validate_segments
from videojobs.settings import LimitSettings
from videojobs.states import RecoveryPoint, Stage
from videojobs.storage.object_store import ObjectStore, lip_sync_result_key


@job_task("look for new speech")
async def has_lip_sync(run: JobRun) -> bool:
    """Whether the job has new speech: otherwise text is removed from the source."""
    repository = await run.connections.repository()
    return (await repository.get_job(run.job_id)).has_lip_sync


@job_task("submit the lip-sync", done_at=RecoveryPoint.LIP_SYNC_SUBMITTED)
async def submit_lip_sync(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """One paid submission for this job, however often this runs."""
    if await repository.get_live_submission(job.id, Stage.LIP_SYNC) is None:  # else its bytes are fixed
        await _record_segment_adjustments(repository, run, job)
    store = await run.connections.store()
    await submit_stage(
        run,
        repository,
        job,
        lambda: lip_sync_inputs(job, store),
        Stage.LIP_SYNC,
        RecoveryPoint.LIP_SYNC_SUBMITTED,
    )


async def _record_segment_adjustments(repository: JobRepository, run: JobRun, job: VideoJob) -> None:
    """Record in the events and the log which ends are sent earlier than the client gave them.

    Raises InvalidRequest if nothing of a segment is left: the settings have changed since the request was checked.
    """
    request, facts, limits = job.video_request, job.facts, LimitSettings.current()
    video = facts.source_video
    if problems := validate_segments(request, video.duration, video.frame_rate, facts.audio_durations, limits):
        raise InvalidRequest(problems)
    provider = await find_provider(repository, job.id, Stage.LIP_SYNC)
    if changes := fit_request_segments(request, facts, limits).changes:
        detail = {"changes": changes, "provider": provider.key}
        await repository.record_event(run.lease, JobEventKind.SHORTENED, detail)
    for change in changes:
        get_run_logger().info("Job %s: for %s, %s", job.id, provider.display_name, change)


def lip_sync_inputs(job: VideoJob, store: ObjectStore) -> StageInputs:
    """The inputs of the paid call, with fresh links."""
    facts = job.facts

    def presign_uri(uri: str) -> str:
        owner, key = store.resolve_uri(uri)
        return presign_for_vendor(owner, key)

    return StageInputs(
        job_id=job.id,
        request=job.video_request,
        facts=facts,
        video_url=presign_uri(facts.stored_inputs.video),
        audio_urls={ref_id: presign_uri(uri) for ref_id, uri in facts.stored_inputs.audio.items()},
    )


@polling_task("wait for the lip-sync", done_at=RecoveryPoint.LIP_SYNC_STORED)
async def await_lip_sync(run: JobRun, repository: JobRepository) -> None:
    """Raises VendorFailed or JobParked."""
    await await_stage(run, repository, Stage.LIP_SYNC, RecoveryPoint.LIP_SYNC_SUBMITTED)
    report_progress(await repository.update_progress(run.lease, *LIP_SYNC_DONE))


@job_task("store the lip-sync result", done_at=RecoveryPoint.LIP_SYNC_STORED)
async def store_lip_sync(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """Stream the result into our storage, check it, and record what was measured."""
    key = lip_sync_result_key(job.user_id, job.id)
    await store_stage(run, repository, Stage.LIP_SYNC, key, RecoveryPoint.LIP_SYNC_STORED)
