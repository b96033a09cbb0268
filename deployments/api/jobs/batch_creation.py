"""Creates a job for each video of one form. A file that cannot become a job does not stop the others."""

import logging
import uuid
from contextlib import suppress
from dataclasses import dataclass

from fastapi import Request

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import DEPENDENCY_ERRORS, ApiError, validation_error
from deployments.api.jobs.creation import create_job, launch_run, require_stages
from deployments.api.jobs.form_creation import run_to_completion
from deployments.api.request_body import reject_content_encoding
from deployments.api.uploads.batch_receiver import BATCH_FIELD, BatchFile, BatchReceiver
from deployments.api.uploads.form_mapping import (
    client_file_name,
    form_fingerprint,
    owner_errors,
    to_text_removal_request,
)
from videojobs.db import ClientKey, JobRepository, VideoJob
from videojobs.db.uploads import Upload
from videojobs.errors import DatabaseUnavailable, FieldError, JobRequestConflict, ProblemCode
from videojobs.settings import AccessSettings
from videojobs.states import Stage
from videojobs.storage.object_store import job_prefix
from videojobs.webhooks.url_rules import callback_url_errors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """What became of one file: its job, or the reason why there is none."""

    file_name: str
    job: VideoJob | None
    error: str = ""


async def create_jobs_from_batch(
    request: Request, principal: Principal, state: AppState, idempotency_key: str | None
) -> list[BatchEntry]:
    """Receive the form; one entry per file, in their order. Raises ApiError, or one of `DEPENDENCY_ERRORS`, before
    any job exists.

    With a key, each file has the key with its number, so that a repeated batch gives the same jobs.
    """
    reject_content_encoding(request)
    require_stages((Stage.TEXT_REMOVAL,))
    await state.services.runs.ping()
    with state.upload_pool.admit(principal.user_id):
        batch = _Batch(principal, state, await state.services.repository(), idempotency_key)
        entries = await batch.create(request)
    for entry in entries:
        if entry.job is not None:
            await launch_run(state, entry.job)
    return entries


class _Batch:
    """The files of one form. Whatever does not become a job leaves nothing in the storage."""

    def __init__(
        self, principal: Principal, state: AppState, repository: JobRepository, idempotency_key: str | None
    ) -> None:
        self._principal, self._state, self._repository = principal, state, repository
        self._idempotency_key = idempotency_key

    async def create(self, request: Request) -> list[BatchEntry]:
        store, user_id = await self._state.services.store(), self._principal.user_id
        receiver = BatchReceiver(
            self._state.upload_pool, store, self._state.settings, user_id=user_id, start_job=self._start_job
        )
        try:
            await receiver.receive(request)
            self._require_valid_form(receiver)
        except BaseException:
            await run_to_completion(self._discard(receiver.files))
            raise
        entries: list[BatchEntry] = []
        try:
            for index, file in enumerate(receiver.files):
                entries.append(await self._create_entry(receiver, file, index))
        except BaseException:  # cancelled: files of jobs that may exist stay
            await run_to_completion(self._discard(receiver.files[len(entries) + 1 :]))
            raise
        return entries

    async def _start_job(self) -> str:
        job_id, user_id = str(uuid.uuid4()), self._principal.user_id
        await self._repository.create_upload(Upload(id=job_id, user_id=user_id, prefix=job_prefix(user_id, job_id)))
        return job_id

    def _require_valid_form(self, receiver: BatchReceiver) -> None:
        problems = [*receiver.problems, *owner_errors(receiver.texts, self._principal)]
        problems += callback_url_errors(receiver.texts, AccessSettings.current())
        if not receiver.files:
            problems.append(FieldError(BATCH_FIELD, "is required: send at least one video", ProblemCode.REQUIRED))
        if problems:
            raise validation_error(problems)

    async def _create_entry(self, receiver: BatchReceiver, file: BatchFile, index: int) -> BatchEntry:
        if file.video is None:
            await run_to_completion(self._discard([file]))
            return BatchEntry(file.name, None, file.error)
        form = receiver.form_of(file)
        try:
            parsed = to_text_removal_request(form, self._principal)
            key = self._idempotency_key
            client_key = ClientKey(f"{key}/{index}", form_fingerprint(parsed.request, form)) if key else None
            job = await create_job(
                self._state,
                self._repository,
                file.job_id,
                parsed.request,
                self._principal,
                client_key,
                source_file_name=client_file_name(form),
            )
        except (ApiError, JobRequestConflict) as error:
            await run_to_completion(self._discard([file]))
            return BatchEntry(file.name, None, error.detail if isinstance(error, ApiError) else str(error))
        except DEPENDENCY_ERRORS as error:  # the job may exist: its file stays, and the clean-up looks after both
            log.warning("A file of a batch became no job: %s: %s", type(error).__name__, error)
            return BatchEntry(file.name, None, "Temporarily unavailable; look at the list of jobs, then retry.")
        if job.id == file.job_id:
            with suppress(DatabaseUnavailable):  # the clean-up sees that the files belong to a job
                await self._repository.delete_upload(file.job_id)
        else:
            await run_to_completion(self._discard([file]))
        return BatchEntry(file.name, job)

    async def _discard(self, files: list[BatchFile]) -> None:
        """Delete files that became no job. Whatever cannot be deleted now, the clean-up finds by the upload's row."""
        for file in files:
            try:
                await file.discard()
                await self._repository.delete_upload(file.job_id)
            except DEPENDENCY_ERRORS as error:
                log.warning("Upload %s: its file will be deleted later (%s)", file.job_id, type(error).__name__)
