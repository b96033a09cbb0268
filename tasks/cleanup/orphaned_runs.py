"""Runs that are unfinished in Prefect and that no worker executes: their end was not recorded, or an event was lost.

The automations notice such runs within a minute or two (`deployments/server/recovery_automations.py`). They need the
server's events, and may have missed some if the server was down or started without its database. This module is the
fallback.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Crashed

from blocks import Connections
from tasks.runtime.cancellation import cancellation_message
from tasks.runtime.job_task import job_task
from tasks.runtime.prefect_runs import JOB_FLOWS, TEXT_REMOVAL_FLOW, TEXT_REMOVAL_RUN_NAME_PREFIX
from videojobs.db import JobEventKind, JobRepository, VideoJob
from videojobs.db.maintenance import JobSnapshot
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.errors import UnknownJob

_ACTIVE_STATES: Final = [StateType.PENDING, StateType.RUNNING]
_UNFINISHED_STATES: Final = [*_ACTIVE_STATES, StateType.CANCELLING, StateType.CRASHED]
_MAX_CLOCK_SKEW: Final = timedelta(minutes=1)  # between our clock and the database's
_PAGE_SIZE: Final = 200  # runs; the server's maximum. The next clean-up handles the next ones.


class TargetState(StrEnum):
    """The states that an orphaned run is set to, by their names."""

    AWAITING_RETRY = "AwaitingRetry"
    CANCELLED = "Cancelled"
    CRASHED = "Crashed"


_STATE_FACTORIES: Final[Mapping[TargetState, Callable[[], State[None]]]] = {
    TargetState.AWAITING_RETRY: AwaitingRetry,
    TargetState.CANCELLED: Cancelled,
    TargetState.CRASHED: partial(Crashed, message="Its process is gone."),
}


@dataclass(frozen=True, slots=True)
class OrphanedRun:
    """A run with its current state, its job, the state to set, and the reason.

    All plain values: Prefect would wait for a run or a state among a task's arguments.
    """

    run_id: UUID
    current_state: str
    job_id: str
    target_state: TargetState
    reason: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class UnrecordedCancellation:
    """A job whose run was cancelled, which its row does not record."""

    snapshot: JobSnapshot
    run_id: str


@job_task("find orphaned runs", retries=0)
async def find_orphaned_runs(connections: Connections, older_than: timedelta) -> list[OrphanedRun]:
    """Runs that have been in one state for `older_than` and that no worker executes. Changes nothing."""
    repository = await connections.repository()
    found = []
    for run in await _read_unfinished_runs():
        age = datetime.now(UTC) - run.state.timestamp if run.state else timedelta(0)
        job_id = _job_id(run)
        if age < older_than:
            continue
        job = await _find_job(repository, job_id)
        target = _subflow_target_state(job) if run.parent_task_run_id else _target_state(run, job)
        if target is not None:
            found.append(OrphanedRun(run.id, str(run.state_name), job_id, *target, age))
    return found


async def _read_unfinished_runs() -> Sequence[FlowRun]:
    main, subflow = FlowFilterName(any_=JOB_FLOWS), FlowFilterName(any_=[TEXT_REMOVAL_FLOW])
    deployed = FlowRunFilterDeploymentId(is_null_=False)
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED_STATES))
    active = FlowRunFilterState(type=FlowRunFilterStateType(any_=_ACTIVE_STATES))
    async with get_client() as client:
        runs = await client.read_flow_runs(
            flow_filter=FlowFilter(name=main),
            flow_run_filter=FlowRunFilter(state=state, deployment_id=deployed),
            limit=_PAGE_SIZE,
        )
        subflows = await client.read_flow_runs(
            flow_filter=FlowFilter(name=subflow), flow_run_filter=FlowRunFilter(state=active), limit=_PAGE_SIZE
        )
    return [*runs, *subflows]


def _job_id(run: FlowRun) -> str:
    if run.parent_task_run_id:
        return run.name.removeprefix(TEXT_REMOVAL_RUN_NAME_PREFIX)
    return str(run.parameters.get("job_id") or run.id)


async def _find_job(repository: JobRepository, job_id: str) -> VideoJob | None:
    try:
        return await repository.get_job(job_id)
    except UnknownJob:
        return None


def _has_live_lease(job: VideoJob) -> bool:
    """Whether a run holds the job's lease, or held it until a moment ago."""
    return job.lease_until is not None and job.lease_until > datetime.now(UTC) - _MAX_CLOCK_SKEW


def _subflow_target_state(job: VideoJob | None) -> tuple[TargetState, str] | None:
    """A subflow ends with the run that called it, which may have died without ending it."""
    return None if job is not None and _has_live_lease(job) else (TargetState.CRASHED, "the run that called it is gone")


def _target_state(run: FlowRun, job: VideoJob | None) -> tuple[TargetState, str] | None:
    """The state to set, and the reason; None if all is well or the clean-up of its job handles it."""
    if job is not None and job.lease_holder is not None and parse_flow_run_id(job.lease_holder) == str(run.id):
        if job.completed_at is None or _has_live_lease(job):
            return None  # active; otherwise its job is found as stuck
        return TargetState.AWAITING_RETRY, "it died before it released its job, which has ended"
    if run.state_type == StateType.CANCELLING:
        return TargetState.CANCELLED, "its worker died before it could record the cancellation"
    if job is None:
        return TargetState.AWAITING_RETRY, "it died before it created its job"
    if run.state_type == StateType.CRASHED:
        return None
    return TargetState.CRASHED, "its process is gone"


@job_task("set the state of an orphaned run", retries=0)
async def set_run_state(orphan: OrphanedRun) -> None:
    """Set the state on the Prefect server."""
    async with get_client() as client:
        await client.set_flow_run_state(orphan.run_id, _STATE_FACTORIES[orphan.target_state](), force=True)


@job_task("find unrecorded cancellations", retries=0)
async def find_unrecorded_cancellations(
    connections: Connections, older_than: timedelta, limit: int
) -> list[UnrecordedCancellation]:
    """Stuck jobs whose run was cancelled, and whose worker died before it could record that."""
    repository = await connections.repository()
    found = []
    async with get_client() as client:
        for snapshot in await repository.find_stuck(older_than, limit):
            if snapshot.lease_alive or snapshot.job.parked_reason is not None:
                continue
            if (run_id := await _last_run_id(repository, snapshot.job.id)) and await _was_cancelled(client, run_id):
                found.append(UnrecordedCancellation(snapshot, run_id))
    return found


async def _last_run_id(repository: JobRepository, job_id: str) -> str | None:
    """The run that last acquired the job's lease."""
    actors = [
        parse_flow_run_id(event.actor)
        for event in await repository.list_events(job_id)
        if event.kind == JobEventKind.LEASE_ACQUIRED
    ]
    return actors[-1] if actors else None


async def _was_cancelled(client: PrefectClient, run_id: str) -> bool:
    try:
        run = await client.read_flow_run(run_id)  # type: ignore[arg-type]  # the id's text is enough
    except (ObjectNotFound, ValueError):
        return False
    return run.state_type in (StateType.CANCELLED, StateType.CANCELLING)


@job_task("record an unrecorded cancellation", retries=0)
async def backfill_cancellation(cancellation: UnrecordedCancellation, connections: Connections) -> None:
    """Record what the run's cancellation hook would have recorded."""
    repository = await connections.repository()
    job_id = cancellation.snapshot.job.id
    message = cancellation_message(await repository.list_submissions(job_id))
    await repository.cancel(job_id, cancellation.run_id, message, actor="cleanup")
