"""What a clean-up did, or would do: a log line and a table row for each job."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from textwrap import wrap
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_table_artifact
from prefect.utilities.urls import url_for

from tasks.cleanup.orphaned_runs import OrphanedRun, UnrecordedCancellation
from tasks.cleanup.orphaned_slots import LeakedSlots
from tasks.cleanup.stuck_jobs import ActionResult, StuckJob
from tasks.runtime.job_task import job_task
from videojobs.db.maintenance import JobSnapshot

# One key: the Artifacts page shows the latest report, with all the earlier ones behind it.
ARTIFACT_KEY: Final = "cleanup"
PURGE_ACTION: Final = "purge"
# Characters. Prefect's table never wraps a cell; with these, all columns fit on a laptop's screen.
_WIDE_COLUMN: Final = 28
_NARROW_COLUMN: Final = 20
_LINE_BREAK: Final = "  \n"  # Markdown's: the cells are Markdown


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row of the report."""

    job_id: str
    point: str
    progress: str
    age: str
    action: str
    reason: str
    result: str
    run_id: UUID | None
    failed: bool

    def __str__(self) -> str:
        run = f" ({self.run_id})" if self.run_id else ""
        state = f"{self.point}, {self.progress} for {self.age}"
        return f"Job {self.job_id} ({state}): {self.action}, {self.reason}; {self.result}{run}"


def row_for_stuck_job(stuck_job: StuckJob, result: ActionResult) -> ReportRow:
    """A stuck job; its age is the time since its last progress."""
    snapshot, decision = stuck_job.snapshot, stuck_job.decision
    return ReportRow(
        job_id=snapshot.job.id,
        point=snapshot.job.recovery_point,
        progress="parked" if snapshot.job.parked_reason else f"{snapshot.job.progress_percentage} %",
        age=format_age(snapshot.now - snapshot.job.updated_at),
        action=decision.action,
        reason=decision.reason,
        result=result.message,
        run_id=result.run_id,
        failed=result.failed,
    )


def row_for_test_job(snapshot: JobSnapshot, result: ActionResult) -> ReportRow:
    """An old test job; its age is the time since it ended."""
    job = snapshot.job
    return ReportRow(
        job_id=job.id,
        point=job.recovery_point,
        progress=job.status,
        age=format_age(snapshot.now - (job.completed_at or job.created_at)),
        action=PURGE_ACTION,
        reason=f"it is an old test of {job.user_id}",
        result=result.message,
        run_id=None,
        failed=result.failed,
    )


def row_for_cancellation(cancellation: UnrecordedCancellation, result: ActionResult) -> ReportRow:
    """A job whose run was cancelled."""
    snapshot = cancellation.snapshot
    return ReportRow(
        job_id=snapshot.job.id,
        point=snapshot.job.recovery_point,
        progress=f"{snapshot.job.progress_percentage} %",
        age=format_age(snapshot.now - snapshot.job.updated_at),
        action="cancel",
        reason="its run was cancelled, and its worker died before it recorded that",
        result=result.message,
        run_id=None,
        failed=result.failed,
    )


def row_for_orphaned_run(orphan: OrphanedRun, result: ActionResult) -> ReportRow:
    """A run that no worker executes; its age is the time since its last state change."""
    return ReportRow(
        job_id=orphan.job_id,
        point="flow run",
        progress=orphan.current_state,
        age=format_age(orphan.age),
        action="set run state",
        reason=orphan.reason,
        result=result.message,
        run_id=orphan.run_id,
        failed=result.failed,
    )


def row_for_leaked_slots(slots: LeakedSlots, result: ActionResult) -> ReportRow:
    """Slots that no job holds."""
    return ReportRow(
        job_id=slots.limit,
        point="slots",
        progress=f"{slots.in_use} in use",
        age="a while",
        action="release",
        reason=f"no job holds {slots.leaked} of them: the Prefect server died while it granted them",
        result=result.message,
        run_id=None,
        failed=result.failed,
    )


def format_age(age: timedelta) -> str:
    """`2 d 3 h`, `1 h 5 min`, `31 min`: rounded for reading."""
    minutes = int(age.total_seconds() // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def summarize(rows: Sequence[ReportRow], *, dry_run: bool) -> str:
    """One sentence, for the state of the run and above the table."""
    if not rows:
        return "No job is stuck, and no old test job is left."
    counts = ", ".join(f"{count} {action}" for action, count in Counter(line.action for line in rows).items())
    jobs = "1 job" if len(rows) == 1 else f"{len(rows)} jobs"
    return f"{'Dry run, nothing was changed. ' if dry_run else ''}{jobs}: {counts}."


@job_task("write the report")
async def write_report(rows: Sequence[ReportRow], *, dry_run: bool) -> None:
    """The table on the run's page and on the Artifacts page."""
    await acreate_table_artifact(
        key=ARTIFACT_KEY,
        table=[_table_row(line, "would do" if dry_run else "done") for line in rows],
        description=summarize(rows, dry_run=dry_run),
    )


def _table_row(row: ReportRow, result_column: str) -> dict[str, str]:
    return {
        "job": row.job_id,
        "state": f"{row.point}{_LINE_BREAK}{row.progress} for {row.age}",
        "action": row.action,
        result_column: f"[{row.result}]({url_for('flow-run', row.run_id)})"
        if row.run_id
        else _wrap_cell(row.result, _NARROW_COLUMN),
        "reason": _wrap_cell(row.reason, _WIDE_COLUMN),
    }


def _wrap_cell(text: str, width: int) -> str:
    return _LINE_BREAK.join(wrap(text, width, break_long_words=False, break_on_hyphens=False))
