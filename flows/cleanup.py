"""Stuck jobs, every few minutes: query the vendors, then resume, complete, fail, park or leave each job."""

import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Annotated, Any, Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, Field

from blocks import Connections
from tasks.cleanup.orphaned_runs import (
    OrphanedRun,
    UnrecordedCancellation,
    backfill_cancellation,
    find_orphaned_runs,
    find_unrecorded_cancellations,
    set_run_state,
)
from tasks.cleanup.orphaned_slots import LeakedSlots, find_leaked_slots, release_leaked_slots
from tasks.cleanup.report import (
    ReportRow,
    row_for_cancellation,
    row_for_leaked_slots,
    row_for_orphaned_run,
    row_for_stuck_job,
    row_for_test_job,
    summarize,
    write_report,
)
from tasks.cleanup.stuck_jobs import (
    ActionResult,
    StuckJob,
    apply_action,
    diagnose_stuck_jobs,
    find_purgeable_jobs,
    purge_job,
)
from videojobs.db.maintenance import JobSnapshot, PurgeFilter
from videojobs.pipeline.recovery_policy import RecoveryAction
from videojobs.requests.models import ID_PATTERN

_DRY_RUN_TEXT: Final = {
    RecoveryAction.RESUME: "start a run",
    RecoveryAction.COMPLETE: "start a run",
    RecoveryAction.FAIL: "fail it",
    RecoveryAction.PARK: "park it",
    RecoveryAction.LEAVE: "nothing",
}


class PurgeConfig(BaseModel):
    """Which old test jobs are deleted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_ids: list[Annotated[str, Field(pattern=ID_PATTERN)]] = Field(
        default=[],
        max_length=50,
        title="Test users",
        description="Jobs of these users are tests: they may be deleted. An empty list deletes nothing.",
        json_schema_extra={"position": 0},
    )
    older_than_days: int = Field(
        default=7,
        ge=1,  # today's spending is counted from the rows of today's jobs
        le=3650,
        title="Older than (days)",
        description="How long ago a test job must have ended.",
        json_schema_extra={"position": 1},
    )
    batch_size: int = Field(
        default=20,
        ge=1,
        le=500,
        title="At most (test jobs)",
        description="How many test jobs one clean-up deletes, with all their files.",
        json_schema_extra={"position": 2},
    )


class CleanupConfig(BaseModel):
    """What a clean-up examines, and whether it acts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dry_run: bool = Field(
        default=True,
        title="Dry run",
        description="Only report what would be done. Switch it off to do it.",
        json_schema_extra={"position": 0},
    )
    stuck_after_minutes: int = Field(
        default=30,
        ge=1,
        le=7 * 24 * 60,
        title="Stuck after (minutes)",
        description="How long a job must have made no progress. A job that a run is working on is never changed.",
        json_schema_extra={"position": 1},
    )
    batch_size: int = Field(
        default=50,
        ge=1,
        le=500,
        title="At most (stuck jobs)",
        description="How many stuck jobs one clean-up examines, beginning with those that are stuck longest.",
        json_schema_extra={"position": 2},
    )
    purge: PurgeConfig = Field(
        default=PurgeConfig(),
        title="Purge old test jobs",
        description="Delete the rows and files of old test jobs. Nothing that may still be in flight is deleted.",
        json_schema_extra={"position": 3},
    )

    @property
    def purge_filter(self) -> PurgeFilter:
        return PurgeFilter(self.purge.user_ids, self.purge.older_than_days)


def _run_name() -> str:
    config = CleanupConfig.model_validate(flow_run.get_parameters().get("config") or {})
    return "look for stuck jobs" if config.dry_run else "clean up stuck jobs"


@flow(name="cleanup", flow_run_name=_run_name)
async def cleanup(
    config: CleanupConfig = CleanupConfig(),  # noqa: B008  # frozen
    connections: Connections = Connections(),  # noqa: B008  # frozen
) -> State[Any]:
    """Find the jobs without progress, query the vendors, and resume, complete, fail, park or leave each job.

    Args:
        config: What to examine, and whether to act. The report is a table among this run's artifacts.
        connections: The blocks to use. Change it only if you keep several sets of credentials.
    """
    rows: list[ReportRow] = []
    stuck_for = timedelta(minutes=config.stuck_after_minutes)
    cancellations = await find_unrecorded_cancellations(connections, stuck_for, config.batch_size)
    for cancellation in cancellations:
        rows.append(await _record_cancellation(cancellation, config, connections))
    cancelled_job_ids = {cancellation.snapshot.job.id for cancellation in cancellations}
    for stuck_job in await diagnose_stuck_jobs(connections, stuck_for, config.batch_size):
        if stuck_job.snapshot.job.id not in cancelled_job_ids:
            rows.append(await _handle_job(stuck_job, config, connections))
    for orphan in await find_orphaned_runs(connections, stuck_for):
        rows.append(await _fix_run_state(orphan, config))
    for leaked in await find_leaked_slots(connections):
        rows.append(await _release_slots(leaked, config))
    for test_job in await find_purgeable_jobs(connections, config.purge_filter, config.purge.batch_size):
        rows.append(await _purge_job(test_job, config, connections))
    await write_report(rows, dry_run=config.dry_run)
    message = summarize(rows, dry_run=config.dry_run)
    return Failed(message=message) if any(line.failed for line in rows) else Completed(message=message)


async def _handle_job(stuck_job: StuckJob, config: CleanupConfig, connections: Connections) -> ReportRow:
    """Apply the decision, and log it."""
    kind, job = stuck_job.decision.action, stuck_job.snapshot.job
    if config.dry_run or kind is RecoveryAction.LEAVE:
        result = ActionResult(_DRY_RUN_TEXT[kind])
    else:
        result = await _run_safely(apply_action.with_options(task_run_name=f"{kind} {job.id}")(stuck_job, connections))
    return _log_row(row_for_stuck_job(stuck_job, result))


async def _record_cancellation(
    cancellation: UnrecordedCancellation, config: CleanupConfig, connections: Connections
) -> ReportRow:
    """Record a cancellation that only Prefect knows of, and log it."""
    result = ActionResult("record it")
    if not config.dry_run:
        result = await _run_safely(_run_as_action(backfill_cancellation(cancellation, connections), "it was recorded"))
    return _log_row(row_for_cancellation(cancellation, result))


async def _fix_run_state(orphan: OrphanedRun, config: CleanupConfig) -> ReportRow:
    """Set the state of a run that no worker executes, and log it."""
    result = ActionResult(f"set it to {orphan.target_state}")
    if not config.dry_run:
        result = await _run_safely(_run_as_action(set_run_state(orphan), f"it was set to {orphan.target_state}"))
    return _log_row(row_for_orphaned_run(orphan, result))


async def _release_slots(leaked: LeakedSlots, config: CleanupConfig) -> ReportRow:
    """Release slots that no job holds, and log it."""
    result = ActionResult(f"release {leaked.leaked}")
    if not config.dry_run:
        result = await _run_safely(_run_as_action(release_leaked_slots(leaked), f"{leaked.leaked} were released"))
    return _log_row(row_for_leaked_slots(leaked, result))


async def _run_as_action(action: Coroutine[Any, Any, None], message: str) -> ActionResult:
    await action
    return ActionResult(message)


async def _purge_job(snapshot: JobSnapshot, config: CleanupConfig, connections: Connections) -> ReportRow:
    """Purge an old test job, and log it."""
    if config.dry_run:
        result = ActionResult("delete its files and its row")
    else:
        purge_task = purge_job.with_options(task_run_name=f"purge {snapshot.job.id}")
        result = await _run_safely(purge_task(snapshot, config.purge_filter, connections))
    return _log_row(row_for_test_job(snapshot, result))


async def _run_safely(action: Coroutine[Any, Any, ActionResult]) -> ActionResult:
    """A job that cannot be handled must not prevent the others from being handled."""
    try:
        return await action
    except Exception as error:
        return ActionResult(f"not done: {error}", failed=True)


def _log_row(row: ReportRow) -> ReportRow:
    get_run_logger().log(logging.WARNING if row.failed else logging.INFO, "%s", row)
    return row
