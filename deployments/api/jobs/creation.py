"""Creates jobs, from JSON requests and from whatever else has become one, and launches their runs."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

from fastapi import Header
from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import RETRY_AFTER_SECONDS, ApiError, validation_error
from deployments.api.middleware.request_context import bind_job
from deployments.api.uploads.crop_check import reject_crops_beyond_audio
from videojobs.db import ClientKey, JobRepository, VideoJob
from videojobs.errors import ConfigurationError, DatabaseUnavailable, FieldError, ProblemCode
from videojobs.lecture.parsing import parse_lecture
from videojobs.lecture.request import LectureRequest
from videojobs.providers.registry import selection_problems
from videojobs.requests.models import JobRequest, fingerprint
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.states import JobKind, Stage, Stages, Status

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your choice for this job. The same request with the same key returns the first job.",
        examples=["order-4711"],
    ),
]

log = logging.getLogger(__name__)
T = TypeVar("T")

_CREATE_TIMEOUT_SECONDS: Final = 10  # covers a restart of Postgres
_RETRY_PAUSE_SECONDS: Final = 0.5


async def create_job_from_json(
    state: AppState, principal: Principal, raw: Mapping[str, object], idempotency_key: str | None, kind: JobKind
) -> VideoJob:
    """Create and launch a job whose files are at links or in finished uploads.

    Raises ApiError or InvalidRequest; one of `DEPENDENCY_ERRORS` if Prefect, Postgres or the storage is unavailable.
    """
    await state.services.runs.ping()
    parse = parse_lecture if kind is JobKind.LECTURE else parse_request
    # Local files are for people on this machine: a client could read what is not its own.
    request = parse(with_owner(raw, principal), access=AccessSettings(allow_local_files=False))
    repository = await state.services.repository()
    await require_own_uploads(repository, principal, request)
    if isinstance(request, JobRequest):
        await reject_crops_beyond_audio(await state.services.store(), request, raw.get("segments"))
    client_key = ClientKey(idempotency_key, fingerprint(request)) if idempotency_key else None
    job = await create_job(state, repository, str(uuid.uuid4()), request, principal, client_key)
    await launch_run(state, job)
    return job


async def create_job(
    state: AppState,
    repository: JobRepository,
    job_id: str,
    request: JobRequest | LectureRequest,
    principal: Principal,
    client_key: ClientKey | None,
    changes: Sequence[str] = (),
    source_file_name: str | None = None,
) -> VideoJob:
    """Insert the job, or return the one that already has this key. Retries if the commit is not confirmed.

    `changes` say what was normalised in the request; the job's first event lists them. `source_file_name` is the
    client's own name of the video. Raises ApiError (503) if no vendor is configured for a stage of the job.
    """
    if isinstance(request, JobRequest):
        require_stages(request.stages)

    async def create() -> VideoJob:
        return await repository.create(
            job_id,
            request,
            actor=principal.actor,
            connections=state.services.connections,
            client_key=client_key,
            changes=changes,
            source_file_name=source_file_name,
        )

    return await retry_until_stored(create, _CREATE_TIMEOUT_SECONDS)


async def retry_until_stored(create: Callable[[], Awaitable[T]], timeout_seconds: float) -> T:
    """Repeat while the database is unavailable: a commit that is not confirmed may have been carried out, and `create`
    then returns what it created. Raises TimeoutError."""
    retrying = AsyncRetrying(retry=retry_if_exception_type(DatabaseUnavailable), wait=wait_fixed(_RETRY_PAUSE_SECONDS))
    async with asyncio.timeout(timeout_seconds):
        return await retrying(create)


def require_stages(stages: Stages) -> None:
    """Raises ApiError (503) if no vendor is configured for a stage."""
    for stage in stages:
        _require_stage(stage)


def _require_stage(stage: Stage) -> None:
    """The log names the setting that is wrong; the client learns that only the operator can help."""
    if problems := selection_problems([stage]):
        log.error("Refused a job: %s", "; ".join(problems))
        raise ApiError(
            503,
            f"This service is not configured for {stage.value.replace('_', ' ')}, so it cannot accept this job. "
            "Nothing was stored. Tell its operator: the log and the doctor name the setting.",
            code=ConfigurationError.code,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


async def launch_run(state: AppState, job: VideoJob) -> None:
    """Start the run of a new job. A job that an idempotency key returned may have started long ago."""
    bind_job(job.id)
    if job.status == Status.PENDING:
        await state.run_launcher.launch(job)


def with_owner(raw: Mapping[str, object], principal: Principal) -> Mapping[str, object]:
    """The request with the token's user. Raises ApiError (422) if it names another user."""
    if raw.get("user_id", principal.user_id) != principal.user_id:
        message = "is not the user of your token; leave it out"
        raise validation_error([FieldError("user_id", message, ProblemCode.WRONG_USER)])
    return {**raw, "user_id": principal.user_id}


def _sources(request: JobRequest | LectureRequest) -> dict[str, str]:
    """The locations of the request's files, by field."""
    sources = {"video": request.video}
    if isinstance(request, JobRequest):
        sources |= {f"audio[{index}].source": item.source for index, item in enumerate(request.audio)}
    return sources


async def require_own_uploads(
    repository: JobRepository, principal: Principal, request: JobRequest | LectureRequest
) -> None:
    """Our keys open the whole bucket, so a request may name only its user's uploads there. Raises ApiError (422)."""
    stored = {path: source for path, source in _sources(request).items() if source.lower().startswith("s3:")}
    own_uploads = await repository.filter_owned_sources(principal.user_id, list(stored.values())) if stored else set()
    message = "is not an upload of yours that is complete and less than a week old; upload it first"
    problems = [
        FieldError(path, message, ProblemCode.INVALID_SOURCE)
        for path, source in stored.items()
        if source not in own_uploads
    ]
    if problems:
        raise validation_error(problems)
