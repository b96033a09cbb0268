"""Creates jobs from multipart forms that carry their files.

While Prefect is unavailable, a form is refused (503) before its files are sent. Once the job is in Postgres, its run
starts whatever happens (`background.run_launcher`).
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import DEPENDENCY_ERRORS, ApiError
from deployments.api.jobs.creation import create_job, launch_run, require_stages
from deployments.api.middleware.request_context import bind_job
from deployments.api.request_body import reject_content_encoding
from deployments.api.uploads.crop_check import reject_crops_beyond_audio
from deployments.api.uploads.editor_form import truncate_name
from deployments.api.uploads.form_mapping import (
    ParsedForm,
    client_file_name,
    form_fingerprint,
    to_form_error,
    to_job_request,
    to_lecture_request,
    to_text_removal_request,
    to_whole_video_request,
)
from deployments.api.uploads.form_receiver import FormReceiver, FormSpec, JobForm, ReceivedForm
from videojobs.db import ClientKey, JobRepository, VideoJob
from videojobs.db.uploads import Upload
from videojobs.errors import DatabaseUnavailable, InvalidRequest, JobRequestConflict
from videojobs.requests.models import JobRequest
from videojobs.states import Stage, Stages
from videojobs.storage.object_store import ObjectStore, job_prefix

log = logging.getLogger(__name__)


_MAPPINGS: Final = {
    JobForm.PRO_VIDEO: to_job_request,
    JobForm.WHOLE_VIDEO: to_whole_video_request,
    JobForm.TEXT_REMOVAL: to_text_removal_request,
    JobForm.LECTURE: to_lecture_request,
}


_FORM_STAGES: Final[dict[JobForm, Stages]] = {
    JobForm.PRO_VIDEO: (Stage.LIP_SYNC,),
    JobForm.WHOLE_VIDEO: (Stage.LIP_SYNC, Stage.TEXT_REMOVAL),
    JobForm.TEXT_REMOVAL: (Stage.TEXT_REMOVAL,),
    JobForm.LECTURE: (),
}
"""What the jobs of a form have at least: checked before its files are received."""


@dataclass(frozen=True, slots=True)
class FormJob:
    """The job of a form, and the client's name of its video."""

    job: VideoJob
    file_name: str


async def create_job_from_form(
    request: Request, principal: Principal, state: AppState, idempotency_key: str | None, form: JobForm
) -> FormJob:
    """Receive the form, create its job and launch the run. Raises ApiError, or one of `DEPENDENCY_ERRORS`."""
    reject_content_encoding(request)
    require_stages(_FORM_STAGES[form])
    await state.services.runs.ping()
    with state.upload_pool.admit(principal.user_id):
        created = await _receive_job(request, principal, state, idempotency_key, form)
    await launch_run(state, created.job)
    return created


async def _receive_job(
    request: Request, principal: Principal, state: AppState, idempotency_key: str | None, form: JobForm
) -> FormJob:
    """The job. A form that becomes none leaves nothing in the storage."""
    repository, store = await state.services.repository(), await state.services.store()
    job_id = str(uuid.uuid4())
    bind_job(job_id)
    await repository.create_upload(
        Upload(id=job_id, user_id=principal.user_id, prefix=job_prefix(principal.user_id, job_id))
    )
    spec = FormSpec.for_form(form)
    receiver = FormReceiver(
        state.upload_pool, store, state.settings, user_id=principal.user_id, job_id=job_id, spec=spec
    )
    try:
        received = await receiver.receive(request)
        parsed = _MAPPINGS[form](received, principal)
        await _reject_crops_beyond_audio(store, parsed, received)
    except BaseException:
        await run_to_completion(_discard_upload(receiver, repository, job_id))
        raise
    client_key = ClientKey(idempotency_key, form_fingerprint(parsed.request, received)) if idempotency_key else None
    try:
        job = await create_job(
            state,
            repository,
            job_id,
            parsed.request,
            principal,
            client_key,
            changes=parsed.changes,
            source_file_name=client_file_name(received),
        )
    except (JobRequestConflict, ApiError):
        await run_to_completion(_discard_upload(receiver, repository, job_id))
        raise
    # After any other error the job may exist: its files stay. If it does not, the clean-up removes them.
    if job.id == job_id:
        with suppress(DatabaseUnavailable):  # the clean-up sees that the files belong to a job
            await repository.delete_upload(job_id)
    else:
        await run_to_completion(_discard_upload(receiver, repository, job_id))
    return FormJob(job, received.video.name if received.video else "")


async def _reject_crops_beyond_audio(store: ObjectStore, parsed: ParsedForm, received: ReceivedForm) -> None:
    if not isinstance(parsed.request, JobRequest):
        return
    files = zip(parsed.request.audio, received.audio, strict=True)
    names = {audio.refId: f'"{truncate_name(file.name)}"' for audio, file in files if file.name}
    try:
        await reject_crops_beyond_audio(store, parsed.request, parsed.segments, names)
    except InvalidRequest as error:
        raise to_form_error(error) from error


async def run_to_completion(work: Awaitable[None]) -> None:
    """Finish the work even if the request is cancelled in the meantime."""
    await asyncio.shield(asyncio.ensure_future(work))


async def _discard_upload(receiver: FormReceiver, repository: JobRepository, upload_id: str) -> None:
    """Delete the form's files. Whatever cannot be deleted now, the clean-up finds by the upload's row."""
    try:
        await receiver.discard()
        await repository.delete_upload(upload_id)
    except DEPENDENCY_ERRORS as error:
        log.warning("Upload %s: its files will be deleted later (%s)", upload_id, type(error).__name__)
