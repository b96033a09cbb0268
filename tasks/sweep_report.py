"""What a clean-up did, or would do: one line of the log and one row of a table for each job."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from textwrap import wrap
from typing import Final
from uuid import UUID

from prefect.artifacts import acreate_table_artifact
from prefect.utilities.urls import url_for

from tasks.lost_places import LostPlaces
from tasks.lost_runs import LostRun, MissedCancellation
from tasks.steps import step
from tasks.sweep import Case, Done
from videojobs.ledger.upkeep import Standing

# One key: the Artifacts page shows the latest report, with all the earlier ones behind it.
KEY: Final = "cleanup"
PURGE: Final = "purge"
# Characters. Prefect's table never wraps a cell; with these, all columns fit on a laptop's screen.
_WIDE: Final = 28
_NARROW: Final = 20
_BREAK: Final = "  \n"  # Markdown's, which the cells are


@dataclass(frozen=True, slots=True)
class Line:
    """A job in the report, in words."""

    job: str
    point: str
    progress: str
    age: str
    verdict: str
    reason: str
    done: str
    run: UUID | None
    failed: bool

    def __str__(self) -> str:
        run = f" ({self.run})" if self.run else ""
        stands = f"{self.point}, {self.progress} for {self.age}"
        return f"Job {self.job} ({stands}): {self.verdict}, {self.reason}; {self.done}{run}"


def line_of(case: Case, done: Done) -> Line:
    """A stuck job; its age is the time since it last got anywhere."""
    standing, verdict = case.standing, case.verdict
    return Line(
        job=standing.job.id,
        point=standing.job.recovery_point,
        progress="parked" if standing.job.parked_reason else f"{standing.job.progress_percentage} %",
        age=as_age(standing.now - standing.job.updated_at),
        verdict=verdict.kind,
        reason=verdict.reason,
        done=done.what,
        run=done.run,
        failed=done.failed,
    )


def line_of_test(standing: Standing, done: Done) -> Line:
    """An old test job; its age is the time since it ended."""
    job = standing.job
    return Line(
        job=job.id,
        point=job.recovery_point,
        progress=job.status,
        age=as_age(standing.now - (job.completed_at or job.created_at)),
        verdict=PURGE,
        reason=f"it is an old test of {job.user_id}",
        done=done.what,
        run=None,
        failed=done.failed,
    )


def line_of_cancellation(missed: MissedCancellation, done: Done) -> Line:
    """A job whose run somebody cancelled."""
    standing = missed.standing
    return Line(
        job=standing.job.id,
        point=standing.job.recovery_point,
        progress=f"{standing.job.progress_percentage} %",
        age=as_age(standing.now - standing.job.updated_at),
        verdict="cancel",
        reason="its run was cancelled, and its worker died before it recorded that",
        done=done.what,
        run=None,
        failed=done.failed,
    )


def line_of_run(lost: LostRun, done: Done) -> Line:
    """A run that nobody works on; its age is the time since its last state."""
    return Line(
        job=lost.job_id,
        point="its run",
        progress=lost.state,
        age=as_age(lost.age),
        verdict="settle run",
        reason=lost.reason,
        done=done.what,
        run=lost.run_id,
        failed=done.failed,
    )


def line_of_places(places: LostPlaces, done: Done) -> Line:
    """Places at a vendor that nobody has."""
    return Line(
        job=places.limit,
        point="its places",
        progress=f"{places.taken} taken",
        age="a while",
        verdict="give back",
        reason=f"no job has {places.lost} of them: the Prefect server died while it gave them out",
        done=done.what,
        run=None,
        failed=done.failed,
    )


def as_age(age: timedelta) -> str:
    """`2 d 3 h`, `1 h 5 min`, `31 min`: as much of it as matters."""
    minutes = int(age.total_seconds() // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def summary(lines: Sequence[Line], *, dry_run: bool) -> str:
    """One sentence, for the state of the run and above the table."""
    if not lines:
        return "No job is stuck, and no old test job is left."
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(line.verdict for line in lines).items())
    jobs = "1 job" if len(lines) == 1 else f"{len(lines)} jobs"
    return f"{'Dry run, nothing was changed. ' if dry_run else ''}{jobs}: {counts}."


@step("write the report")
async def write_report(lines: Sequence[Line], *, dry_run: bool) -> None:
    """The table on the run's page and on the Artifacts page."""
    await acreate_table_artifact(
        key=KEY,
        table=[_row(line, "would do" if dry_run else "done") for line in lines],
        description=summary(lines, dry_run=dry_run),
    )


def _row(line: Line, done: str) -> dict[str, str]:
    return {
        "job": line.job,
        "where it stands": f"{line.point}{_BREAK}{line.progress} for {line.age}",
        "verdict": line.verdict,
        done: f"[{line.done}]({url_for('flow-run', line.run)})" if line.run else _folded(line.done, _NARROW),
        "reason": _folded(line.reason, _WIDE),
    }


def _folded(text: str, width: int) -> str:
    return _BREAK.join(wrap(text, width, break_long_words=False, break_on_hyphens=False))
