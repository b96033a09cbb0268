"""Estimates a job before it is submitted: cost, time, problems. Starts and stores nothing."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import ApiError
from deployments.api.jobs.creation import require_own_uploads, require_stages, with_owner
from videojobs.db.stats import DeliveryPace
from videojobs.errors import BudgetExceeded, FieldError, InvalidRequest, ProblemCode, TransferInterrupted
from videojobs.pipeline.cost_estimate import estimate_from_prices
from videojobs.pipeline.costs import Amount, BudgetSettings, CostEstimate, Spend
from videojobs.pipeline.facts import JobFacts
from videojobs.requests.input_validation import validate_inputs
from videojobs.requests.models import JobRequest
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.states import Stage

MIN_DELIVERIES: Final = 5  # below that, one slow delivery would be half of the median


@dataclass(slots=True)
class Estimate:
    """What is known of a job that is not submitted."""

    spent_today: Amount
    paces: Mapping[Stage, DeliveryPace]
    problems: list[FieldError] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    costs: CostEstimate | None = None  # None: the files have problems, or could not be examined

    def stage_minutes(self, stage: Stage) -> float | None:
        """Expected minutes at the vendor; None without enough deliveries."""
        pace = self.paces.get(stage)
        if self.costs is None or pace is None or pace.count < MIN_DELIVERIES:
            return None
        return round(pace.seconds_per_second * self.costs[stage].seconds / 60, 1)


async def estimate_job(state: AppState, principal: Principal, raw: Mapping[str, object]) -> Estimate:
    """Raises ApiError (429, 503), or one of `DEPENDENCY_ERRORS`; problems of the request are in the result."""
    repository = await state.services.repository()
    spent_today = sum((await repository.spend_today()).values(), start=Amount())
    estimate = Estimate(spent_today, await repository.delivery_paces())
    request = await _parse(state, principal, raw, estimate)
    if request is None:
        return estimate
    require_stages(request.stages)
    with state.estimate_pool.admit(principal.user_id):
        await _examine_files(state, request, estimate)
    if estimate.costs is not None:
        _check_budget(estimate, estimate.costs)
    return estimate


async def _parse(
    state: AppState, principal: Principal, raw: Mapping[str, object], estimate: Estimate
) -> JobRequest | None:
    """The request; None if it has problems. Only then may its files be opened: our keys open the whole bucket."""
    try:
        with_owner(raw, principal)
    except ApiError as error:
        estimate.problems += error.problems
    try:
        # Local files are for people on this machine: a client could read what is not its own.
        request = parse_request({**raw, "user_id": principal.user_id}, access=AccessSettings(allow_local_files=False))
        await require_own_uploads(await state.services.repository(), principal, request)
    except InvalidRequest as error:
        estimate.problems += error.errors
    except ApiError as error:
        estimate.problems += error.problems
    else:
        return None if estimate.problems else request
    return None


async def _examine_files(state: AppState, request: JobRequest, estimate: Estimate) -> None:
    settings = state.settings
    access = AccessSettings(allow_local_files=False)
    try:
        async with asyncio.timeout(settings.estimate_timeout_seconds), AsyncExitStack() as stack:
            inputs = await validate_inputs(
                stack,
                request,
                await state.services.store(),
                access,
                run_probe=state.estimate_pool.run_probe,
                max_bytes=settings.estimate_max_bytes,
            )
    except InvalidRequest as error:
        estimate.problems += error.errors
    except TransferInterrupted as error:
        estimate.unknown.append(str(error))
    except TimeoutError:
        seconds = f"{settings.estimate_timeout_seconds:g} s"
        estimate.unknown.append(f"The files could not be fetched and examined within {seconds}; the job's run does it.")
    else:
        facts = JobFacts(video=inputs.video.facts, audio=inputs.audio_facts)
        estimate.costs = estimate_from_prices(request, facts)


def _check_budget(estimate: Estimate, costs: CostEstimate) -> None:
    try:
        BudgetSettings.current().enforce(costs.total, Spend(job=Amount(), today=estimate.spent_today))
    except BudgetExceeded as error:
        estimate.problems.append(FieldError("request", str(error), ProblemCode.BUDGET_EXCEEDED))
