"""The cost guard: what a job is expected to cost is recorded, shown and held against budgets before it is bought."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from prefect.artifacts import acreate_table_artifact
from prefect.logging import get_run_logger

from tasks.lip_sync import build_request_body
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from tasks.runtime.progress import slugify
from videojobs.db import JobRepository, Submission, VideoJob
from videojobs.errors import VideoJobError
from videojobs.pipeline.costs import (
    BudgetSettings,
    Cost,
    CostEstimate,
    PriceSettings,
    estimate_from_prices,
    format_points,
)
from videojobs.states import RecoveryPoint, Stage, has_reached
from videojobs.text import format_seconds

# An estimate is worth one question, and not worth waiting for: the price list is there.
ESTIMATE_TIMEOUT_SECONDS: Final = 10.0


@job_task("estimate the cost")
async def estimate_cost(run: JobRun) -> None:
    """Record what the job is expected to cost, and show it. Raises BudgetExceeded, before anything is bought.

    Both stages are counted here: a job that is too dear shall not fail between them, with half of it paid for. The
    check that counts among jobs that buy at the same time is the ledger's, with the intent.
    """
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.LIP_SYNC_SUBMITTED):
        return
    if job.estimate is None:
        job = await repository.record_estimate(run.lease, (await _estimate(run, job)).to_json())
    total = job.cost_estimate.total
    get_run_logger().info("Job %s: expected to cost %s", job.id, total)
    await publish_cost_artifact(repository, job)
    if (
        await repository.get_live_submission(job.id, Stage.LIP_SYNC) is None
    ):  # else it may be bought, and has to be seen to
        BudgetSettings.current().enforce(total, await repository.current_spend(job.id))


async def _estimate(run: JobRun, job: VideoJob) -> CostEstimate:
    """By the price list, with Sync.so's own word where it gives one."""
    listed = estimate_from_prices(job.video_request, job.facts, PriceSettings.current())
    lip_sync = await _vendor_quote(run, job, listed[Stage.LIP_SYNC].seconds)
    return CostEstimate({**listed.root, Stage.LIP_SYNC: lip_sync}) if lip_sync else listed


async def _vendor_quote(run: JobRun, job: VideoJob, seconds: float) -> Cost | None:
    """What Sync.so says that a result of this length costs; None where it says nothing of use."""
    body = build_request_body(job, await run.connections.store())
    try:
        async with asyncio.timeout(ESTIMATE_TIMEOUT_SECONDS), run.connections.sync_so_client() as client:
            quote = await client.estimate(body, duration=seconds, fps=job.facts.source_video.frame_rate)
    except (VideoJobError, TimeoutError) as error:
        get_run_logger().info("Job %s: the price list stands in for Sync.so's estimate (%s)", job.id, error)
        return None
    if quote.cost_usd is None or quote.cost_usd < 0:
        return None
    return Cost(usd=quote.cost_usd, seconds=seconds, basis="Sync.so's own estimate")


async def publish_cost_artifact(repository: JobRepository, job: VideoJob) -> None:
    """What is expected, and what was really paid as far as it is known, as an artifact of the run.

    As with progress, a window that cannot be painted is no reason to stop a job.
    """
    try:
        estimate = job.cost_estimate
        await acreate_table_artifact(
            key=f"cost-{slugify(job.id)}",
            table=_cost_rows(estimate, await repository.list_submissions(job.id)),
            description=f"What this job is expected to cost: {estimate.total}. "
            "GhostCut tells what it took when a work has ended; Sync.so does not tell.",
        )
    except Exception as error:
        get_run_logger().warning("The cost could not be shown: %s", error)


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
    """The points that the vendor told of; empty while it has told nothing."""
    points = [row.paid_points for row in submissions if row.paid_points is not None]
    return format_points(sum(points, start=Decimal(0))) if points else ""
