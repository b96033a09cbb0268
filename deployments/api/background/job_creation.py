"""Jobs onto the books, and their runs started: the same for every way in which a request comes."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Final

from fastapi import Header, Request

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import ApiError
from deployments.api.middleware.request_context import bind_job
from deployments.api.schemas.jobs import JobCreated
from deployments.api.views.status import submission_response
from videojobs.db import ClientKey, JobRepository, VideoJob
from videojobs.errors import DatabaseUnavailable
from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import JobRequest
from videojobs.states import Status

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own for this job: the same request, sent again with it, gives the first job.",
        examples=["order-4711"],
    ),
]


def reject_content_encoding(request: Request) -> None:
    """Raises a refusal for a compressed body: what it unpacks to could be without end."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "Send the body as it is, without Content-Encoding.")


async def launch_run(state: AppState, job: VideoJob) -> JobCreated:
    """The answer; a job that was asked for again may have been started long ago."""
    bind_job(job.id)
    if job.status == Status.PENDING:
        await state.run_launcher.launch(job)
    return await submission_response(state, job)


_CREATE_TIMEOUT_SECONDS: Final = 10  # that Postgres may be away for: a restart
_RETRY_PAUSE_SECONDS: Final = 0.5


async def create_job(
    state: AppState,
    repository: JobRepository,
    job_id: str,
    request: JobRequest | LectureRequest,
    principal: Principal,
    client_key: ClientKey | None,
    changes: Sequence[str] = (),
) -> VideoJob:
    """On the books, or the job that this key stands for. A commit whose answer got lost is asked for again.

    `changes` tell what was read otherwise than it was sent.
    """
    async with asyncio.timeout(_CREATE_TIMEOUT_SECONDS):
        while True:
            with suppress(DatabaseUnavailable):
                return await repository.create(
                    job_id,
                    request,
                    actor=principal.actor,
                    connections=state.services.connections,
                    client_key=client_key,
                    changes=changes,
                )
            await asyncio.sleep(_RETRY_PAUSE_SECONDS)
