"""Stuck jobs, every few minutes: ask the vendors for the truth, then resume, complete, fail, park or leave each."""

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
from tasks.lost_places import LostPlaces, find_lost_places, give_back
from tasks.lost_runs import (
    LostRun,
    MissedCancellation,
    find_lost_runs,
    find_missed_cancellations,
    record_missed,
    settle_run,
)
from tasks.sweep import Case, Done, act, find_old_tests, look_into_stuck_jobs, purge
from tasks.sweep_report import (
    Line,
    line_of,
    line_of_cancellation,
    line_of_places,
    line_of_run,
    line_of_test,
    summary,
    write_report,
)
from videojobs.ledger.upkeep import OldTests, Standing
from videojobs.recovery import Kind
from videojobs.request import OWNER_ID

_WOULD: Final = {
    Kind.RESUME: "start a run",
    Kind.COMPLETE: "start a run",
    Kind.FAIL: "fail it",
    Kind.PARK: "park it",
    Kind.LEAVE: "nothing",
}


class PurgeConfig(BaseModel):
    """Which old test jobs are deleted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_ids: list[Annotated[str, Field(pattern=OWNER_ID)]] = Field(
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
    """What a clean-up looks at, and whether it acts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dry_run: bool = Field(
        default=True,
        title="Dry run",
        description="Only say what would be done. Switch it off to do it.",
        json_schema_extra={"position": 0},
    )
    stuck_after_minutes: int = Field(
        default=30,
        ge=1,
        le=7 * 24 * 60,
        title="Stuck after (minutes)",
        description="How long a job must have made no progress. No job that a run is at work on is ever touched.",
        json_schema_extra={"position": 1},
    )
    batch_size: int = Field(
        default=50,
        ge=1,
        le=500,
        title="At most (stuck jobs)",
        description="How many stuck jobs one clean-up looks into, those that are stuck for longest first.",
        json_schema_extra={"position": 2},
    )
    purge: PurgeConfig = Field(
        default=PurgeConfig(),
        title="Purge old test jobs",
        description="Delete the rows and files of old test jobs. Nothing that may still be in flight is deleted.",
        json_schema_extra={"position": 3},
    )

    @property
    def old_tests(self) -> OldTests:
        return OldTests(self.purge.user_ids, self.purge.older_than_days)


def _run_name() -> str:
    config = CleanupConfig.model_validate(flow_run.get_parameters().get("config") or {})
    return "look for stuck jobs" if config.dry_run else "clean up stuck jobs"


@flow(name="cleanup", flow_run_name=_run_name)
async def cleanup(
    config: CleanupConfig = CleanupConfig(),  # noqa: B008  # frozen
    connections: Connections = Connections(),  # noqa: B008  # frozen
) -> State[Any]:
    """Find the jobs that make no progress, ask the vendors for the truth, and go on with each, end it, or leave it.

    Args:
        config: What to look at, and whether to act. The report is a table among this run's artifacts.
        connections: Which blocks to work with. Leave as it is unless you keep several sets of credentials.
    """
    lines: list[Line] = []
    stuck_for = timedelta(minutes=config.stuck_after_minutes)
    missed = await find_missed_cancellations(connections, stuck_for, config.batch_size)
    for cancellation in missed:
        lines.append(await _cancel(cancellation, config, connections))
    settled = {cancellation.standing.job.id for cancellation in missed}
    for case in await look_into_stuck_jobs(connections, stuck_for, config.batch_size):
        if case.standing.job.id not in settled:
            lines.append(await _deal_with(case, config, connections))
    for lost in await find_lost_runs(connections, stuck_for):
        lines.append(await _settle(lost, config))
    for places in await find_lost_places(connections):
        lines.append(await _give_back(places, config))
    for test in await find_old_tests(connections, config.old_tests, config.purge.batch_size):
        lines.append(await _delete(test, config, connections))
    await write_report(lines, dry_run=config.dry_run)
    said = summary(lines, dry_run=config.dry_run)
    return Failed(message=said) if any(line.failed for line in lines) else Completed(message=said)


async def _deal_with(case: Case, config: CleanupConfig, connections: Connections) -> Line:
    """Do what the verdict says, and say so in the log."""
    kind, job = case.verdict.kind, case.standing.job
    if config.dry_run or kind is Kind.LEAVE:
        done = Done(_WOULD[kind])
    else:
        done = await _tried(act.with_options(task_run_name=f"{kind} {job.id}")(case, connections))
    return _logged(line_of(case, done))


async def _cancel(missed: MissedCancellation, config: CleanupConfig, connections: Connections) -> Line:
    """Record a cancellation that only Prefect knows of, and say so in the log."""
    done = Done("record it")
    if not config.dry_run:
        done = await _tried(_as_done(record_missed(missed, connections), "it was recorded"))
    return _logged(line_of_cancellation(missed, done))


async def _settle(lost: LostRun, config: CleanupConfig) -> Line:
    """Bring a run that nobody works on to the state that it is in, and say so in the log."""
    done = Done(f"set it to {lost.to}")
    if not config.dry_run:
        done = await _tried(_as_done(settle_run(lost), f"it was set to {lost.to}"))
    return _logged(line_of_run(lost, done))


async def _give_back(places: LostPlaces, config: CleanupConfig) -> Line:
    """Free places at a vendor that nobody has, and say so in the log."""
    done = Done(f"give back {places.lost}")
    if not config.dry_run:
        done = await _tried(_as_done(give_back(places), f"{places.lost} were given back"))
    return _logged(line_of_places(places, done))


async def _as_done(doing: Coroutine[Any, Any, None], what: str) -> Done:
    await doing
    return Done(what)


async def _delete(standing: Standing, config: CleanupConfig, connections: Connections) -> Line:
    """Purge an old test job, and say so in the log."""
    if config.dry_run:
        done = Done("delete its files and its row")
    else:
        named = purge.with_options(task_run_name=f"purge {standing.job.id}")
        done = await _tried(named(standing, config.old_tests, connections))
    return _logged(line_of_test(standing, done))


async def _tried(doing: Coroutine[Any, Any, Done]) -> Done:
    """One job that cannot be dealt with is no reason to leave the others alone."""
    try:
        return await doing
    except Exception as error:
        return Done(f"not done: {error}", failed=True)


def _logged(line: Line) -> Line:
    get_run_logger().log(logging.WARNING if line.failed else logging.INFO, "%s", line)
    return line
