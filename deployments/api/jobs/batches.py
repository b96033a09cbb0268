"""Batches: create all jobs or none, show them, cancel and retry them."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import ApiError, validation_error
from deployments.api.jobs import management
from deployments.api.jobs.batch_rows import Row
from deployments.api.jobs.creation import (
    launch_run,
    require_own_uploads,
    require_stages,
    retry_until_stored,
    with_owner,
)
from deployments.api.uploads.crop_check import reject_crops_beyond_audio
from deployments.api.views.job_view import can_cancel, can_retry
from videojobs.db import JobRepository, VideoJob
from videojobs.db.batches import JobBatch
from videojobs.errors import BudgetExceeded, FieldError, InvalidRequest, ProblemCode
from videojobs.pipeline.cost_estimate import least_cost
from videojobs.pipeline.costs import Amount, BudgetSettings, Spend
from videojobs.requests.models import ID_PATTERN, JobRequest
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings

MAX_STORED_ROWS: Final = 1000  # the largest value of `VIDEOJOBS_API_MAX_BATCH_ROWS`
_CREATE_TIMEOUT_SECONDS: Final = 20  # covers a restart of Postgres, and a thousand rows


async def create_batch(state: AppState, principal: Principal, rows: Sequence[Row], key: str | None) -> JobBatch:
    """Create the jobs of all rows, or none. Raises ApiError, JobRequestConflict, or one of `DEPENDENCY_ERRORS`."""
    await state.services.runs.ping()
    repository = await state.services.repository()
    requests = await _validate_rows(state, principal, repository, rows)
    for stages in {request.stages for request in requests}:
        require_stages(stages)
    await _check_budget(repository, requests)
    batch_id = str(uuid.uuid4())

    async def create() -> JobBatch:
        return await repository.create_batch(
            batch_id,
            requests,
            user_id=principal.user_id,
            actor=principal.actor,
            connections=state.services.connections,
            client_key=key,
        )

    batch = await retry_until_stored(create, _CREATE_TIMEOUT_SECONDS)
    for job in await load_jobs(state, batch):
        await launch_run(state, job)
    return batch


async def _validate_rows(
    state: AppState, principal: Principal, repository: JobRepository, rows: Sequence[Row]
) -> list[JobRequest]:
    """Raises ApiError (422) with the problems of all rows."""
    checked = await asyncio.gather(*(_validate_row(state, principal, repository, row) for row in rows))
    problems = [
        FieldError(f"rows[{number}].{item.path}", item.message, item.code)
        for number, (_, errors) in enumerate(checked, start=1)
        for item in errors
    ]
    if problems:
        raise validation_error(problems)
    return [request for request, _ in checked if request is not None]


async def _validate_row(
    state: AppState, principal: Principal, repository: JobRepository, row: Row
) -> tuple[JobRequest | None, Sequence[FieldError]]:
    """The request, or its problems."""
    try:
        request = parse_request(with_owner(row, principal), access=AccessSettings(allow_local_files=False))
        await require_own_uploads(repository, principal, request)
        await reject_crops_beyond_audio(await state.services.store(), request, row.get("segments"))
    except InvalidRequest as error:
        return None, error.errors
    except ApiError as error:
        if not error.problems:
            raise
        return None, error.problems
    return request, ()


async def _check_budget(repository: JobRepository, requests: Sequence[JobRequest]) -> None:
    """Raises ApiError (422) if the batch cannot be within the budgets, by the least that each job costs.

    The lengths of the files are not known yet; each purchase is checked again.
    """
    budget = BudgetSettings.current()
    spent = sum((await repository.spend_today()).values(), start=Amount())
    costs = [least_cost(request).total for request in requests]
    of_jobs = budget.model_copy(update={"day_usd": None, "day_points": None})
    of_day = budget.model_copy(update={"job_usd": None, "job_points": None})
    problems = []
    for path, allowed, cost in [
        *((f"rows[{number}]", of_jobs, cost) for number, cost in enumerate(costs, start=1)),
        ("request", of_day, sum(costs, start=Amount())),
    ]:
        try:
            allowed.enforce(cost, Spend(job=Amount(), today=spent))
        except BudgetExceeded as error:
            problems.append(FieldError(path, str(error), ProblemCode.BUDGET_EXCEEDED))
    if problems:
        raise validation_error(problems)


async def get_owned_batch(state: AppState, principal: Principal, batch_id: str) -> JobBatch:
    """Raises ApiError (404) if it does not exist or belongs to another user."""
    repository = await state.services.repository()
    batch = await repository.get_batch(principal.owner, batch_id) if re.fullmatch(ID_PATTERN, batch_id) else None
    if batch is None:
        raise ApiError(404, "This batch does not exist.", code="batch_not_found")
    return batch


async def load_jobs(state: AppState, batch: JobBatch) -> list[VideoJob]:
    """All jobs of the batch that are not deleted, in the order of its rows."""
    repository = await state.services.repository()
    return [job for _, job in await repository.batch_rows(batch.id, after=0, limit=MAX_STORED_ROWS) if job is not None]


@dataclass(slots=True)
class BatchChange:
    """What a cancellation or a retry of a batch did, as job ids."""

    changed: list[str]
    skipped: list[str]


async def cancel_batch(state: AppState, principal: Principal, batch: JobBatch) -> BatchChange:
    """Cancel the jobs that can be cancelled: not those that have ended or are parked."""
    return await _change_jobs(state, batch, can_cancel, partial(management.cancel_job, state, principal))


async def retry_batch(state: AppState, principal: Principal, batch: JobBatch) -> BatchChange:
    """Retry the failed and cancelled jobs; the others stay as they are."""
    return await _change_jobs(state, batch, can_retry, partial(management.retry_job, state, principal))


async def _change_jobs(
    state: AppState,
    batch: JobBatch,
    is_possible: Callable[[VideoJob], bool],
    change_job: Callable[[VideoJob], Awaitable[object]],
) -> BatchChange:
    change = BatchChange([], [])
    for job in await load_jobs(state, batch):
        if is_possible(job):
            await change_job(job)
            change.changed.append(job.id)
        else:
            change.skipped.append(job.id)
    return change
