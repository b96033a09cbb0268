"""Vendors report here that they are done, each submission at a URL of its own (`tasks.runtime.callback_urls`).

A callback proves nothing about a job: it is a hint, and the job's next run queries the vendor. The response is 200 once
all effects are committed; after any other response the vendor sends it again.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse

from blocks import callback_secret_variable
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.metrics import get_metrics
from deployments.api.middleware import request_context
from deployments.api.request_body import read_body
from deployments.api.services import Services
from videojobs.db import JobRepository, Submission
from videojobs.providers.base import CallbackEvent, CallbackMalformed, CallbackRejected, Provider
from videojobs.providers.registry import display_name, providers

PREFIX: Final = "/callbacks"
_TOKEN_PATTERN: Final = re.compile(r"[\w-]{43}", re.ASCII)  # 256 bits, as `Submission.callback_token` has them

log = logging.getLogger(__name__)
router = APIRouter(prefix=PREFIX, tags=["vendor callbacks"], responses=error_responses(400, 403, 404, 413, 503))


@router.post("/{provider}/{token}", response_class=PlainTextResponse)
async def receive_callback(provider: str, token: str, request: Request, state: AppStateDep) -> str:
    """The vendor has ended a submission. It may report the same again. Vendors may need a body that is not empty."""
    sender = _find_provider(provider)
    async with _timed(request, display_name(sender.key), state.settings.callback_timeout_seconds):
        body = await read_body(request, sender.max_callback_bytes)
        submission = await find_submission(await state.services.repository(), token, sender)
        event = await _verify(state.services, sender, submission, request, body)
        await _record_callback(state.services, sender, submission, event)
    return "accepted\n"


def _find_provider(key: str) -> Provider[Any]:
    """URLs of earlier versions have a dash where the key has an underscore."""
    found = providers().get(key.replace("-", "_"))
    if found is None:
        raise HTTPException(404)
    return found


async def _verify(
    services: Services, provider: Provider[Any], submission: Submission, request: Request, body: bytes
) -> CallbackEvent:
    job = await (await services.repository()).get_job(submission.job_id)
    secret = await services.callback_secret(provider, job)
    if secret is None:
        log.warning(
            "A callback of %s cannot be verified: set %s, then `make deploy`",
            provider.display_name,
            callback_secret_variable(provider),
        )
        raise HTTPException(403, f"callbacks of {provider.display_name} cannot be verified here")
    try:
        return provider.verify_callback(request.headers, body, secret, datetime.now(UTC))
    except CallbackRejected as error:
        raise HTTPException(403, str(error)) from error
    except CallbackMalformed as error:
        raise HTTPException(400, "not a report about a submission") from error


@asynccontextmanager
async def _timed(request: Request, vendor: str, timeout: float) -> AsyncIterator[None]:
    """Bound the time, and count the outcome."""
    metrics = get_metrics(request)
    try:
        async with asyncio.timeout(timeout):
            yield
    except HTTPException:
        metrics.record_callback(vendor, "rejected")
        raise
    except Exception:
        metrics.record_callback(vendor, "deferred")
        raise
    metrics.record_callback(vendor, "accepted")


async def find_submission(repository: JobRepository, token: str, provider: Provider[Any]) -> Submission:
    """The submission that was given this URL. Raises HTTPException 404."""
    found = None
    if _TOKEN_PATTERN.fullmatch(token):
        found = await repository.submission_by_callback_token(token, provider.key)
    if found is None:
        raise HTTPException(404)
    request_context.bind_job(found.job_id)
    return found


async def _record_callback(
    services: Services, provider: Provider[Any], submission: Submission, event: CallbackEvent
) -> None:
    repository = await services.repository()
    job = await repository.record_callback(submission, event.vendor_id, batch_id=event.batch_id)
    if job is not None:
        run = await services.runs.resume(job)
        log.info("Job %s: %s reported %s; flow run %s queries it", job.id, provider.display_name, event.vendor_id, run)
