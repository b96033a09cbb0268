"""Vendors report here that they are done, each submission at an address of its own (`tasks.callbacks`).

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
from starlette.requests import ClientDisconnect

from deployments.gateway import scope
from deployments.gateway.backing import Backing
from deployments.gateway.front import TheFront
from deployments.gateway.metrics import metrics_of
from deployments.gateway.problems import answers
from deployments.gateway.settings import Door
from videojobs.ledger import Ledger, Submission
from videojobs.states import Stage
from videojobs.vendors.ghostcut.callback import is_genuine as is_ghostcuts
from videojobs.vendors.ghostcut.wire import WorkStatus
from videojobs.vendors.sync_so.webhook import is_genuine as is_sync_sos
from videojobs.vendors.sync_so.wire import Generation
from videojobs.vendors.wire import Identifier, Lenient

PREFIX: Final = "/callbacks"
MAX_BYTES: Final = 64 * 1024  # one status row with a few links is 1 to 4 KB
MAX_GENERATION_BYTES: Final = 1024**2  # Sync.so repeats the inputs: some hundred links of 1 to 3 KB each
_TOKEN: Final = re.compile(r"[\w-]{43}", re.ASCII)  # 256 bits as the ledger writes them

log = logging.getLogger(__name__)
router = APIRouter(prefix=PREFIX, tags=["callbacks"], responses=answers(400, 403, 404, 413, 503))


R = TypeVar("R", bound=BaseModel)
VendorId = Annotated[Identifier, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class WorkReport(WorkStatus):
    """The body of GhostCut's. Its ids go into our books, so they have to look like ids."""

    id: VendorId
    id_project: Lenient[VendorId] = None


class GenerationReport(Generation):
    """The body of Sync.so's; as above."""

    id: VendorId


@router.post("/sync-so/{token}", response_class=PlainTextResponse)
async def sync_so(token: str, request: Request, front: TheFront) -> str:
    """Sync.so has ended a generation. It comes once, and may come again (its fact sheet, section 7)."""
    async with _answered(request, "Sync.so"):
        raw = await read(request, MAX_GENERATION_BYTES)
        ledger = await front.backing.ledger()
        submission = await addressed(ledger, token, Stage.LIP_SYNC)
        secret = await front.backing.sync_so_secret(await ledger.job(submission.job_id))
        if secret is None:
            log.warning("A webhook of Sync.so cannot be checked: set SYNC_SO_WEBHOOK_SECRET, then `make register`")
        if secret is None or not is_sync_sos(raw, request.headers.get("Sync-Signature"), secret, now=time.time()):
            raise HTTPException(403, "not signed by Sync.so, or too long ago")
        report = understood(raw, GenerationReport)
        await _heard(front.backing, submission, "Sync.so", report.id)
    return "heard\n"


@router.post("/ghostcut/{token}", response_class=PlainTextResponse)
async def ghostcut(token: str, request: Request, front: TheFront) -> str:
    """GhostCut has ended a work. It takes 200 with a body that is not empty for "heard" (its fact sheet, section 6)."""
    async with _answered(request, "GhostCut"):
        raw = await read(request, MAX_BYTES)
        ledger = await front.backing.ledger()
        submission = await addressed(ledger, token, Stage.TEXT_REMOVAL)
        secret = await front.backing.ghostcut_secret(await ledger.job(submission.job_id))
        if not is_ghostcuts(raw, request.headers.get("Callback-Sign"), secret):
            raise HTTPException(403, "not signed by GhostCut")
        report = understood(raw, WorkReport)
        await _heard(front.backing, submission, "GhostCut", report.id, batch_id=report.id_project)
    return "heard\n"


@asynccontextmanager
async def _answered(request: Request, vendor: str) -> AsyncIterator[None]:
    """In time, and counted."""
    metrics = metrics_of(request)
    try:
        async with asyncio.timeout(Door().answer_seconds):
            yield
    except HTTPException:
        metrics.callback(vendor, "refused")
        raise
    except Exception:
        metrics.callback(vendor, "put off")
        raise
    metrics.callback(vendor, "taken")


async def read(request: Request, limit: int) -> bytes:
    """The body's bytes as they came; more than `limit` are not taken in."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HTTPException(413, "The body is too long.")
    except ClientDisconnect as error:
        raise HTTPException(400, "broken off") from error
    return bytes(body)


async def addressed(ledger: Ledger, token: str, stage: Stage) -> Submission:
    """The submission that was given this address. An address that nobody was given does not exist."""
    found = await ledger.called_back(token, stage) if _TOKEN.fullmatch(token) else None
    if found is None:
        raise HTTPException(404)
    scope.about_job(found.job_id)
    return found


def understood(raw: bytes, kind: type[R]) -> R:
    """The report in a body that is the vendor's own."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise HTTPException(400, "not a report about a submission") from error


async def _heard(
    backing: Backing, submission: Submission, vendor: str, vendor_id: str, *, batch_id: str | None = None
) -> None:
    ledger = await backing.ledger()
    job = await ledger.hear(submission, vendor_id, batch_id=batch_id)
    if job is not None:
        run = await backing.runs.go_on(job)
        log.info("Job %s: %s names %s; flow run %s asks it about that", job.id, vendor, vendor_id, run)
