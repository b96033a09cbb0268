"""The text removal stage: submit the areas or the whole frame once, wait for the vendor, store the final video."""

import logging

from prefect.logging import get_run_logger

from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from tasks.runtime.paid_stage import await_stage, find_provider, presign_for_vendor, store_stage, submit_stage
from tasks.runtime.polling import polling_task
from tasks.runtime.progress_artifact import report_progress
from videojobs.db import JobRepository, VideoJob
from videojobs.errors import InvalidRequest
from videojobs.pipeline.masks import build_masks, explain_timeline, resolve_timeline, text_removal_source
from videojobs.progress import TEXT_REMOVAL_STARTING
from videojobs.providers.base import StageInputs
from videojobs.requests.media_rules import validate_lip_sync_result
from videojobs.settings import LimitSettings
from videojobs.states import RecoveryPoint, Stage
from videojobs.storage.object_store import ObjectStore, lip_sync_result_key, result_key


@job_task("check for text to remove")
async def has_text_to_remove(run: JobRun) -> bool:
    """Whether the job continues with text removal: it is requested, and part of its areas is in the lip-sync result."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if not job.has_lip_sync or not job.has_text_removal:
        return job.has_text_removal
    request, facts = job.video_request, job.facts
    return request.removes_whole_frame or bool(
        build_masks(request, resolve_timeline(request, facts), facts.source_video.frame_rate)
    )


@job_task("submit the text removal", done_at=RecoveryPoint.TEXT_REMOVAL_SUBMITTED)
async def submit_text_removal(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """One paid submission for this job, however often this runs. Raises InvalidRequest."""
    request, facts, store = job.video_request, job.facts, await run.connections.store()
    provider = await find_provider(repository, job.id, Stage.TEXT_REMOVAL)
    get_run_logger().info(
        "Found %d annotation areas. Starting %s text inpainting...", len(request.effects), provider.display_name
    )
    source = text_removal_source(request, facts)
    if job.has_lip_sync and (problems := validate_lip_sync_result(request, source, LimitSettings.current())):
        raise InvalidRequest(problems)
    await _record_timeline(run, repository, job)

    def make_inputs() -> StageInputs:
        return StageInputs(job_id=job.id, request=request, facts=facts, video_url=presign_source(job, store))

    await submit_stage(run, repository, job, make_inputs, Stage.TEXT_REMOVAL, RecoveryPoint.TEXT_REMOVAL_SUBMITTED)


def presign_source(job: VideoJob, store: ObjectStore) -> str:
    """A fresh link to the lip-sync result; without lip-sync, to the source.

    The vendor is searched by this link if its answer is lost. Several jobs may have one source: the link names the job.
    """
    if job.has_lip_sync:
        return presign_for_vendor(store, lip_sync_result_key(job.user_id, job.id))
    owner, key = store.resolve_uri(job.facts.stored_inputs.video)
    return presign_for_vendor(owner, key, download_name=f"{job.id}.{job.facts.source_video.container}")


async def _record_timeline(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """How the areas' times were mapped to the video that the vendor gets."""
    request = job.video_request
    decision = resolve_timeline(request, job.facts)
    explanation = explain_timeline(request, decision)
    level = logging.WARNING if decision.kind == "ambiguous" else logging.INFO
    for sentence in explanation:
        get_run_logger().log(level, "Job %s: %s", job.id, sentence)
    report_progress(
        await repository.update_progress(run.lease, *TEXT_REMOVAL_STARTING, detail={"timeline": explanation})
    )


@polling_task("wait for the text removal", done_at=RecoveryPoint.TEXT_REMOVAL_STORED)
async def await_text_removal(run: JobRun, repository: JobRepository) -> None:
    """Raises VendorFailed or JobParked."""
    await await_stage(run, repository, Stage.TEXT_REMOVAL, RecoveryPoint.TEXT_REMOVAL_SUBMITTED)


@job_task("store the final video", done_at=RecoveryPoint.TEXT_REMOVAL_STORED)
async def store_text_removal(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """Stream the result into our storage, check it, and record what was measured and paid."""
    key = result_key(job.user_id, job.id)
    await store_stage(run, repository, Stage.TEXT_REMOVAL, key, RecoveryPoint.TEXT_REMOVAL_STORED)
