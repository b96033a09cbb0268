"""Vendors report here that they are done, each submission at an address of its own (`tasks.runtime.callback_urls`).

A callback proves nothing about a job: it is a hint whose work the job's next run asks the vendor about. It is answered
with 200 once everything that it sets off is on the books; anything else makes the vendor send it again.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, StringConstraints, ValidationError

from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.metrics import get_metrics
from deployments.api.middleware import request_context
from deployments.api.request_body import read_body
from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from videojobs.db import JobRepository, Submission
from videojobs.providers.ghostcut.callbacks import verify_signature as verify_ghostcut_signature
from videojobs.providers.ghostcut.schemas import WorkStatus
from videojobs.providers.schemas import Identifier, Lenient
from videojobs.providers.sync_so.callbacks import verify_signature as verify_sync_so_signature
from videojobs.providers.sync_so.schemas import Generation
from videojobs.states import Stage

PREFIX: Final = "/callbacks"
MAX_WORK_BYTES: Final = 64 * 1024  # one status row with a few links is 1 to 4 KB
MAX_GENERATION_BYTES: Final = 1024**2  # Sync.so repeats the inputs: some hundred links of 1 to 3 KB each
_TOKEN_PATTERN: Final = re.compile(r"[\w-]{43}", re.ASCII)  # 256 bits as the ledger writes them

log = logging.getLogger(__name__)
router = APIRouter(prefix=PREFIX, tags=["callbacks"], responses=error_responses(400, 403, 404, 413, 503))


ReportT = TypeVar("ReportT", bound=BaseModel)
VendorId = Annotated[Identifier, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class WorkReport(WorkStatus):
    """The body of GhostCut's. Its ids go into our books, so they have to look like ids."""

    id: VendorId
    id_project: Lenient[VendorId] = None


class GenerationReport(Generation):
    """The body of Sync.so's; as above."""

    id: VendorId


@router.post("/sync-so/{token}", response_class=PlainTextResponse)
async def receive_sync_so_callback(token: str, request: Request, state: AppStateDep) -> str:
    """Sync.so has ended a generation. It comes once, and may come again (its fact sheet, section 7)."""
    async with _timed(request, "Sync.so"):
        raw = await read_body(request, MAX_GENERATION_BYTES)
        repository = await state.services.repository()
        submission = await find_submission(repository, token, Stage.LIP_SYNC)
        secret = await state.services.sync_so_secret(await repository.get_job(submission.job_id))
        if secret is None:
            log.warning("A webhook of Sync.so cannot be checked: set SYNC_SO_WEBHOOK_SECRET, then `make deploy`")
        if secret is None or not verify_sync_so_signature(
            raw, request.headers.get("Sync-Signature"), secret, now=time.time()
        ):
            raise HTTPException(403, "not signed by Sync.so, or too long ago")
        report = parse_report(raw, GenerationReport)
        await _record_callback(state.services, submission, "Sync.so", report.id)
    return "heard\n"


@router.post("/ghostcut/{token}", response_class=PlainTextResponse)
async def receive_ghostcut_callback(token: str, request: Request, state: AppStateDep) -> str:
    """GhostCut has ended a work. It takes 200 with a body that is not empty for "heard" (its fact sheet, section 6)."""
    async with _timed(request, "GhostCut"):
        raw = await read_body(request, MAX_WORK_BYTES)
        repository = await state.services.repository()
        submission = await find_submission(repository, token, Stage.TEXT_REMOVAL)
        secret = await state.services.ghostcut_secret(await repository.get_job(submission.job_id))
        if not verify_ghostcut_signature(raw, request.headers.get("Callback-Sign"), secret):
            raise HTTPException(403, "not signed by GhostCut")
        report = parse_report(raw, WorkReport)
        await _record_callback(state.services, submission, "GhostCut", report.id, batch_id=report.id_project)
    return "heard\n"


@asynccontextmanager
async def _timed(request: Request, vendor: str) -> AsyncIterator[None]:
    """In time, and counted."""
    metrics = get_metrics(request)
    try:
        async with asyncio.timeout(ApiSettings().callback_timeout_seconds):
            yield
    except HTTPException:
        metrics.record_callback(vendor, "rejected")
        raise
    except Exception:
        metrics.record_callback(vendor, "deferred")
        raise
    metrics.record_callback(vendor, "accepted")


async def find_submission(repository: JobRepository, token: str, stage: Stage) -> Submission:
    """The submission that was given this address. An address that nobody was given does not exist."""
    found = await repository.submission_by_callback_token(token, stage) if _TOKEN_PATTERN.fullmatch(token) else None
    if found is None:
        raise HTTPException(404)
    request_context.bind_job(found.job_id)
    return found


def parse_report(raw: bytes, model: type[ReportT]) -> ReportT:
    """The report in a body that is the vendor's own."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise HTTPException(400, "not a report about a submission") from error


async def _record_callback(
    services: Services, submission: Submission, vendor: str, vendor_id: str, *, batch_id: str | None = None
) -> None:
    repository = await services.repository()
    job = await repository.record_callback(submission, vendor_id, batch_id=batch_id)
    if job is not None:
        run = await services.runs.resume(job)
        log.info("Job %s: %s names %s; flow run %s asks it about that", job.id, vendor, vendor_id, run)
