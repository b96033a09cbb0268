"""Runs that Prefect believes in and nobody works on: their end was never told, or nobody listened.

The automations notice such runs within a minute or two (`deployments/automations.py`). They need the server's events,
and a server that was down, or that started while its database was away, may have missed some. This is the second line.
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
from tasks.cancelling import cancellation_message
from tasks.run_again import FLOWS, SUBFLOW, SUBFLOW_NAME
from tasks.steps import step
from videojobs.ledger import Ledger, UnknownJob, VideoJob
from videojobs.ledger.books import run_of
from videojobs.ledger.upkeep import Standing

_GOING_ON: Final = [StateType.PENDING, StateType.RUNNING]
_UNFINISHED: Final = [*_GOING_ON, StateType.CANCELLING, StateType.CRASHED]
_CLOCKS_DIFFER: Final = timedelta(minutes=1)  # ours and the database's
_PAGE: Final = 200  # runs; the server gives no more at once. The next clean-up sees the next ones.


class Fate(StrEnum):
    """The states that a lost run is brought to, by their names."""

    AGAIN = "AwaitingRetry"
    CANCELLED = "Cancelled"
    CRASHED = "Crashed"


_STATES: Final[Mapping[Fate, Callable[[], State[None]]]] = {
    Fate.AGAIN: AwaitingRetry,
    Fate.CANCELLED: Cancelled,
    Fate.CRASHED: partial(Crashed, message="Its process is gone."),
}


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run, the state that it is in, its job, the state that it is brought to, and why.

    In plain values: a run or a state among a task's arguments would make Prefect wait for it.
    """

    run_id: UUID
    state: str
    job_id: str
    to: Fate
    reason: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class MissedCancellation:
    """A job whose run was cancelled by a person, which its row does not know."""

    standing: Standing
    run_id: str


@step("find lost runs", retries=0)
async def find_lost_runs(connections: Connections, older_than: timedelta) -> list[LostRun]:
    """Runs that have been in one state for so long, with nobody at work on them. Nothing is changed."""
    ledger = await connections.ledger()
    found = []
    for run in await _unfinished():
        age = datetime.now(UTC) - run.state.timestamp if run.state else timedelta(0)
        job_id = _job_id(run)
        if age < older_than:
            continue
        job = await _job(ledger, job_id)
        fate = _fate_of_subflow(job) if run.parent_task_run_id else _fate(run, job)
        if fate is not None:
            found.append(LostRun(run.id, str(run.state_name), job_id, *fate, age))
    return found


async def _unfinished() -> Sequence[FlowRun]:
    main, subflow = FlowFilterName(any_=FLOWS), FlowFilterName(any_=[SUBFLOW])
    deployed = FlowRunFilterDeploymentId(is_null_=False)
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
    going_on = FlowRunFilterState(type=FlowRunFilterStateType(any_=_GOING_ON))
    async with get_client() as client:
        runs = await client.read_flow_runs(
            flow_filter=FlowFilter(name=main),
            flow_run_filter=FlowRunFilter(state=state, deployment_id=deployed),
            limit=_PAGE,
        )
        subflows = await client.read_flow_runs(
            flow_filter=FlowFilter(name=subflow), flow_run_filter=FlowRunFilter(state=going_on), limit=_PAGE
        )
    return [*runs, *subflows]


def _job_id(run: FlowRun) -> str:
    if run.parent_task_run_id:
        return run.name.removeprefix(SUBFLOW_NAME)
    return str(run.parameters.get("job_id") or run.id)


async def _job(ledger: Ledger, job_id: str) -> VideoJob | None:
    try:
        return await ledger.job(job_id)
    except UnknownJob:
        return None


def _is_held(job: VideoJob) -> bool:
    """Whether somebody has the job, or has had it until a moment ago."""
    return job.lease_until is not None and job.lease_until > datetime.now(UTC) - _CLOCKS_DIFFER


def _fate_of_subflow(job: VideoJob | None) -> tuple[Fate, str] | None:
    """It ends with the run that called it, which may have died without a word."""
    return None if job is not None and _is_held(job) else (Fate.CRASHED, "the run that called it is gone")


def _fate(run: FlowRun, job: VideoJob | None) -> tuple[Fate, str] | None:
    """What the run is brought to, and why; None where all is well, or the job's row leads on by itself."""
    if job is not None and job.lease_holder is not None and run_of(job.lease_holder) == str(run.id):
        if job.completed_at is None or _is_held(job):
            return None  # at work; if it is not, its job is found as stuck
        return Fate.AGAIN, "it died before it let go of its job, which is over"
    if run.state_type == StateType.CANCELLING:
        return Fate.CANCELLED, "it was cancelled, and its worker died before it was"
    if job is None:
        return Fate.AGAIN, "it died before its job was on the books"
    if run.state_type == StateType.CRASHED:
        return None
    return Fate.CRASHED, "its process is gone"


@step("bring a lost run to its state", retries=0)
async def settle_run(lost: LostRun) -> None:
    """Tell Prefect what became of a run."""
    async with get_client() as client:
        await client.set_flow_run_state(lost.run_id, _STATES[lost.to](), force=True)


@step("find cancellations that were missed", retries=0)
async def find_missed_cancellations(
    connections: Connections, older_than: timedelta, limit: int
) -> list[MissedCancellation]:
    """Jobs that stand still because somebody cancelled their run, whose worker died before it could record that."""
    ledger = await connections.ledger()
    found = []
    async with get_client() as client:
        for standing in await ledger.stuck(older_than, limit):
            if standing.lease_alive or standing.job.parked_reason is not None:
                continue
            if (run_id := await _last_run(ledger, standing.job.id)) and await _was_cancelled(client, run_id):
                found.append(MissedCancellation(standing, run_id))
    return found


async def _last_run(ledger: Ledger, job_id: str) -> str | None:
    """The run that took the job up last."""
    actors = [run_of(event.actor) for event in await ledger.events(job_id) if event.kind == "claimed"]
    return actors[-1] if actors else None


async def _was_cancelled(client: PrefectClient, run_id: str) -> bool:
    try:
        run = await client.read_flow_run(run_id)  # type: ignore[arg-type]  # the id's text will do
    except (ObjectNotFound, ValueError):
        return False
    return run.state_type in (StateType.CANCELLED, StateType.CANCELLING)


@step("record a cancellation that was missed", retries=0)
async def record_missed(missed: MissedCancellation, connections: Connections) -> None:
    """As the run's own end would have done."""
    ledger = await connections.ledger()
    job_id = missed.standing.job.id
    message = cancellation_message(await ledger.submissions(job_id))
    await ledger.cancel(job_id, missed.run_id, message, actor="cleanup")
