"""The cost guard: what a job is expected to cost is recorded, shown and held against budgets before it is bought."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from prefect.artifacts import acreate_table_artifact
from prefect.logging import get_run_logger

from tasks.lip_sync import generation_body
from tasks.progress import slug
from tasks.run import JobRun
from tasks.steps import step
from videojobs.costs import Budget, Cost, Estimate, Prices, by_price_list, expected, in_points
from videojobs.errors import VideoJobError
from videojobs.ledger import Ledger, Submission, VideoJob
from videojobs.request import JobRequest
from videojobs.states import Point, Stage, reached
from videojobs.wording import as_seconds

# An estimate is worth one question, and not worth waiting for: the price list is there.
ESTIMATE_SECONDS: Final = 10.0


@step("estimate the cost")
async def estimate_cost(run: JobRun) -> None:
    """Record what the job is expected to cost, and show it. Raises BudgetExceeded, before anything is bought.

    Both stages are counted here: a job that is too dear shall not fail between them, with half of it paid for. The
    check that counts among jobs that buy at the same time is the ledger's, with the intent.
    """
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.LIP_SYNC_SUBMITTED):
        return
    if job.estimate is None:
        job = await ledger.estimate(run.lease, (await _estimate(run, job)).plain())
    total = expected(job.request, job.facts, job.estimate).total
    get_run_logger().info("Job %s: expected to cost %s", job.id, total)
    await show_cost(ledger, job)
    if await ledger.live_submission(job.id, Stage.LIP_SYNC) is None:  # else it may be bought, and has to be seen to
        Budget().check(total, await ledger.booked(job.id))


async def _estimate(run: JobRun, job: VideoJob) -> Estimate:
    """By the price list, with Sync.so's own word where it gives one."""
    listed = by_price_list(JobRequest.model_validate(job.request), job.facts, Prices())
    lip_sync = await _vendor_estimate(run, job, listed[Stage.LIP_SYNC].seconds)
    return Estimate({**listed.root, Stage.LIP_SYNC: lip_sync}) if lip_sync else listed


async def _vendor_estimate(run: JobRun, job: VideoJob, seconds: float) -> Cost | None:
    """What Sync.so says that a result of this length costs; None where it says nothing of use."""
    body = generation_body(job, await run.connections.store())
    try:
        async with asyncio.timeout(ESTIMATE_SECONDS), run.connections.sync_so_client() as client:
            told = await client.estimate(body, duration=seconds, fps=job.facts["video"]["frame_rate"])
    except (VideoJobError, TimeoutError) as error:
        get_run_logger().info("Job %s: the price list stands in for Sync.so's estimate (%s)", job.id, error)
        return None
    if told.cost_usd is None or told.cost_usd < 0:
        return None
    return Cost(usd=told.cost_usd, seconds=seconds, basis="Sync.so's own estimate")


async def show_cost(ledger: Ledger, job: VideoJob) -> None:
    """What is expected, and what was really paid as far as it is known, as an artifact of the run.

    As with progress, a window that cannot be painted is no reason to stop a job.
    """
    try:
        estimate = expected(job.request, job.facts, job.estimate)
        await acreate_table_artifact(
            key=f"cost-{slug(job.id)}",
            table=_table(estimate, await ledger.submissions(job.id)),
            description=f"What this job is expected to cost: {estimate.total}. "
            "GhostCut tells what it took when a work has ended; Sync.so does not tell.",
        )
    except Exception as error:
        get_run_logger().warning("The cost could not be shown: %s", error)


def _table(estimate: Estimate, submissions: Sequence[Submission]) -> list[dict[str, str]]:
    """One row for each stage, and their sum."""
    rows = [
        {
            "step": stage.value.replace("_", " "),
            "length": as_seconds(cost.seconds),
            "expected": str(cost.amount),
            "by": cost.basis,
            "paid": _paid([row for row in submissions if row.stage == stage]),
        }
        for stage, cost in estimate.root.items()
    ]
    total = {"step": "together", "length": "", "expected": str(estimate.total), "by": "", "paid": _paid(submissions)}
    return [*rows, total]


def _paid(submissions: Sequence[Submission]) -> str:
    """The points that the vendor told of; empty while it has told nothing."""
    told = [row.paid_points for row in submissions if row.paid_points is not None]
    return in_points(sum(told, start=Decimal(0))) if told else ""
