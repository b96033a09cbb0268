"""The cost guard: the expected cost is recorded, shown and checked against budgets before anything is bought."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from prefect.artifacts import acreate_table_artifact
from prefect.logging import get_run_logger

from tasks.lip_sync import lip_sync_inputs
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from tasks.runtime.progress_artifact import slugify
from videojobs.db import JobRepository, Submission, VideoJob
from videojobs.errors import VideoJobError
from videojobs.pipeline.cost_estimate import cost_estimate_of, estimate_from_prices
from videojobs.pipeline.costs import (
    BudgetSettings,
    Cost,
    CostEstimate,
    format_points,
)
from videojobs.providers.registry import provider_for_stage
from videojobs.states import RecoveryPoint, Stage
from videojobs.text import format_seconds

# The vendor's estimate is worth one request and no retry: otherwise the price list applies.
ESTIMATE_TIMEOUT_SECONDS: Final = 10.0


@job_task("estimate the cost", done_at=RecoveryPoint.LIP_SYNC_SUBMITTED)
async def estimate_cost(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """Record and show the expected cost. Raises BudgetExceeded, before anything is bought.

    Counts all its stages: a job that is too expensive must not fail between them, with half of it paid for. Concurrent
    jobs are checked against each other when the intent is recorded.
    """
    if job.estimate is None:
        job = await repository.record_estimate(run.lease, (await _estimate(run, job)).to_json())
    total = cost_estimate_of(job).total
    get_run_logger().info("Job %s: expected to cost %s", job.id, total)
    await publish_cost_artifact(repository, job)
    if await repository.get_live_submission(job.id, job.stages[0]) is None:  # else it may be bought already
        BudgetSettings.current().enforce(total, await repository.current_spend(job.id))


async def _estimate(run: JobRun, job: VideoJob) -> CostEstimate:
    """By the price lists, with the lip-sync vendor's own estimate if it gives one."""
    listed = estimate_from_prices(job.video_request, job.facts)
    if not job.has_lip_sync:
        return listed
    quote = await _vendor_quote(run, job, listed[Stage.LIP_SYNC])
    return CostEstimate({**listed.root, Stage.LIP_SYNC: quote}) if quote else listed


async def _vendor_quote(run: JobRun, job: VideoJob, listed: Cost) -> Cost | None:
    provider = provider_for_stage(Stage.LIP_SYNC)
    if not provider.capabilities.gives_quotes:
        return None
    body = provider.build_request(lip_sync_inputs(job, await run.connections.store()), None)
    try:
        async with asyncio.timeout(ESTIMATE_TIMEOUT_SECONDS), run.connections.provider_client(provider) as client:
            return await provider.quote(client, body, listed, job.facts.source_video.frame_rate)
    except (VideoJobError, TimeoutError) as error:
        vendor = provider.display_name
        get_run_logger().info("Job %s: using the price list instead of %s's estimate (%s)", job.id, vendor, error)
        return None


async def publish_cost_artifact(repository: JobRepository, job: VideoJob) -> None:
    """The expected cost, and the paid cost as far as it is known, as an artifact of the run. Never raises."""
    try:
        estimate = cost_estimate_of(job)
        await acreate_table_artifact(
            key=f"cost-{slugify(job.id)}",
            table=_cost_rows(estimate, await repository.list_submissions(job.id)),
            description=f"Expected cost of this job: {estimate.total}. "
            "Vendors that charge points report the charge when they are done.",
        )
    except Exception as error:
        get_run_logger().warning("Cannot write the cost artifact: %s", error)


def _cost_rows(estimate: CostEstimate, submissions: Sequence[Submission]) -> list[dict[str, str]]:
    """One row for each stage, and their sum."""
    rows = [
        {
            "step": stage.value.replace("_", " "),
            "length": format_seconds(cost.seconds),
            "expected": str(cost.amount),
            "by": cost.basis,
            "paid": _format_paid_points([row for row in submissions if row.stage == stage]),
        }
        for stage, cost in estimate.root.items()
    ]
    total = {
        "step": "together",
        "length": "",
        "expected": str(estimate.total),
        "by": "",
        "paid": _format_paid_points(submissions),
    }
    return [*rows, total]


def _format_paid_points(submissions: Sequence[Submission]) -> str:
    """The points that the vendor has reported; empty until then."""
    points = [row.paid_points for row in submissions if row.paid_points is not None]
    return format_points(sum(points, start=Decimal(0))) if points else ""
