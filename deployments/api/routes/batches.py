"""Batches: many jobs in one request."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request

from deployments.api.auth import Reader, Submitter
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs import batches
from deployments.api.jobs.batch_rows import read_batch_rows
from deployments.api.jobs.creation import IdempotencyKey
from deployments.api.pagination import decode_cursor, encode_cursor
from deployments.api.request_body import reject_content_encoding
from deployments.api.schemas.batches import Batch, BatchChanged, BatchPage, BatchRow, BatchSummary
from deployments.api.views.job_view import to_summary
from videojobs.db.batches import BatchProgress, JobBatch

router = APIRouter(tags=["batches"])

BatchId = Annotated[str, Path(description="As the response to the request returned it.", examples=["5b9d7a52"])]
_PAGE_ROWS: Final = 100
_LIST: Final = {"type": "array", "items": {"$ref": "#/components/schemas/JobRequest"}, "minItems": 1}
_FILE: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _LIST},
            "text/csv": {"schema": {"type": "string"}},
            "multipart/form-data": {"schema": _FILE},
        },
    }
}
_ERRORS: Final = error_responses(401, 403, 404, 422, 429, 503)


@router.post(
    "/batches",
    status_code=202,
    responses=error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_BODY,
    summary="Start a batch of jobs",
)
async def create_batch(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> Batch:
    """A JSON list of job requests, or CSV. All jobs are created, or none."""
    reject_content_encoding(request)
    rows = await read_batch_rows(request, state.settings.max_batch_rows)
    batch = await batches.create_batch(state, principal, rows, idempotency_key)
    return await _to_batch(state, batch, after=0, limit=_PAGE_ROWS)


@router.get("/batches", responses=error_responses(401, 403, 422, 429, 503), summary="List batches")
async def list_batches(
    principal: Reader,
    state: AppStateDep,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of batches.")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the previous page.", max_length=500)] = None,
) -> BatchPage:
    """Newest first. Admins see the batches of all users."""
    after = decode_cursor(cursor) if cursor else None
    repository = await state.services.repository()
    found = await repository.list_batches(principal.owner, limit=limit + 1, after=after)
    page = found[:limit]
    progress = await repository.batch_progress([batch.id for batch in page])
    return BatchPage(
        batches=[BatchSummary(**_summary_fields(batch, progress[batch.id])) for batch in page],
        next_cursor=encode_cursor(page[-1]) if len(found) > limit else None,
    )


@router.get("/batches/{batch_id}", responses=_ERRORS, summary="Show a batch")
async def get_batch(
    batch_id: BatchId,
    principal: Reader,
    state: AppStateDep,
    after: Annotated[int, Query(ge=0, le=1_000_000, description="`next_row` of the previous page.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of rows.")] = _PAGE_ROWS,
) -> Batch:
    """With its jobs, a page at a time."""
    return await _to_batch(state, await batches.get_owned_batch(state, principal, batch_id), after=after, limit=limit)


@router.post("/batches/{batch_id}/cancel", status_code=202, responses=_ERRORS, summary="Cancel a batch")
async def cancel_batch(batch_id: BatchId, principal: Submitter, state: AppStateDep) -> BatchChanged:
    """Cancels its jobs that have not ended. Safe to repeat."""
    batch = await batches.get_owned_batch(state, principal, batch_id)
    change = await batches.cancel_batch(state, principal, batch)
    return BatchChanged(batch_id=batch.id, changed=change.changed, skipped=change.skipped)


@router.post("/batches/{batch_id}/retry", status_code=202, responses=_ERRORS, summary="Retry a batch")
async def retry_batch(batch_id: BatchId, principal: Submitter, state: AppStateDep) -> BatchChanged:
    """Retries its failed and cancelled jobs only."""
    batch = await batches.get_owned_batch(state, principal, batch_id)
    change = await batches.retry_batch(state, principal, batch)
    return BatchChanged(batch_id=batch.id, changed=change.changed, skipped=change.skipped)


async def _to_batch(state: AppState, batch: JobBatch, *, after: int, limit: int) -> Batch:
    repository = await state.services.repository()
    progress = (await repository.batch_progress([batch.id]))[batch.id]
    found = await repository.batch_rows(batch.id, after=after, limit=limit + 1)
    rows = [BatchRow(number=number, job=to_summary(job) if job else None) for number, job in found[:limit]]
    next_row = rows[-1].number if len(found) > limit else None
    return Batch(**_summary_fields(batch, progress), jobs=rows, next_row=next_row)


def _summary_fields(batch: JobBatch, progress: BatchProgress) -> dict[str, Any]:
    return {
        "batch_id": batch.id,
        "user_id": batch.user_id,
        "created_at": batch.created_at,
        "rows": progress.rows,
        "by_status": progress.by_status,
        "progress": progress.percent,
    }
