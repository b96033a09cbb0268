"""Checks that nothing is left behind at the end."""

import asyncio
import fcntl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from sqlalchemy import text

from deployments.server.concurrency_limits import concurrency_limits
from tasks.runtime.prefect_runs import TEXT_REMOVAL_RUN_NAME_PREFIX
from tests.fault_injection.harness import FaultHarness, wait_until
from videojobs.db import get_engine
from videojobs.storage.object_store import ObjectStore

# A killed holder's vendor slot is free after five minutes. A clean-up finds a slot without a holder once no run has
# died for six minutes.
SLOT_TIMEOUT: Final = 510.0
ORPHAN_TIMEOUT: Final = 420.0  # a run that died with its worker is noticed after a minute, or by a clean-up
_ACTIVE_STATES: Final = [
    StateType.PENDING,
    StateType.RUNNING,
    StateType.CANCELLING,
    StateType.CRASHED,
    StateType.PAUSED,
]
_HELD_LEASES: Final = text("SELECT id, lease_holder FROM video_jobs WHERE lease_holder IS NOT NULL")
_UNFINISHED_JOBS: Final = text("SELECT id FROM video_jobs WHERE completed_at IS NULL AND parked_reason IS NULL")
_UNRESOLVED_SUBMISSIONS: Final = text("""
    SELECT job_id, stage, state FROM video_submissions JOIN video_jobs ON video_jobs.id = job_id
    WHERE status = 'completed' AND state IN ('intended', 'unknown', 'waiting')
""")


async def find_leaks(harness: FaultHarness) -> list[str]:
    """Runs, leases, submissions with unknown outcomes, unfinished uploads, working folders, vendor slots."""
    runs = await _remaining_after(lambda: _unfinished_runs(harness), ORPHAN_TIMEOUT)
    return [
        *runs,
        *await _remaining_after(lambda: _held_leases(harness), ORPHAN_TIMEOUT),
        *(
            f"{job} is completed, and its {stage} is {state}"
            for job, stage, state in await _query(harness, _UNRESOLVED_SUBMISSIONS)
        ),
        *(f"{key} is half sent" for key in await asyncio.to_thread(_unfinished_uploads, harness.driver.store)),
        *(f"{name} is nobody's" for name in _abandoned_folders(harness.driver.folder / "scratch")),
        *await _remaining_after(lambda: _used_slots(harness), SLOT_TIMEOUT),
    ]


async def _query(harness: FaultHarness, query: object) -> list[tuple[str, ...]]:
    async with get_engine(harness.driver.stack.variables["DATABASE_URL"]).connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]  # type: ignore[call-overload]  # text


async def _remaining_after(look: Callable[[], Awaitable[list[str]]], seconds: float) -> list[str]:
    """What is still there after this time."""

    async def nothing() -> bool:
        return not await look()

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wait_until(nothing)
    return await look()


async def _unfinished_runs(harness: FaultHarness) -> list[str]:
    """All unfinished runs of flows and subflows. A run that crashed before its job ended is history."""
    run_filter = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ACTIVE_STATES)))
    found = await harness.driver.prefect.read_flow_runs(flow_run_filter=run_filter)
    unfinished_jobs = {*await _query(harness, _UNFINISHED_JOBS)}
    active = [run for run in found if run.state_type != StateType.CRASHED or (_job_id_of(run),) in unfinished_jobs]
    return [f"flow run {run.name} is {run.state_name}" for run in active]


async def _held_leases(harness: FaultHarness) -> list[str]:
    return [f"the lease of {job} is held by {holder}" for job, holder in await _query(harness, _HELD_LEASES)]


def _job_id_of(run: FlowRun) -> str:
    return str(run.parameters.get("job_id") or run.name.removeprefix(TEXT_REMOVAL_RUN_NAME_PREFIX))


def _unfinished_uploads(store: ObjectStore) -> Iterator[str]:
    client = store._client
    try:
        pages = list(client.get_paginator("list_multipart_uploads").paginate(Bucket=store.bucket))
    except client.exceptions.NoSuchUpload:  # rclone's response if there are none
        return
    for page in pages:
        yield from (upload["Key"] for upload in page.get("Uploads", []))


def _abandoned_folders(folder: Path) -> Iterator[str]:
    """Working folders without a live process: their lock is free."""
    for lock in folder.glob("videojobs-*.lock"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock.stem


async def _used_slots(harness: FaultHarness) -> list[str]:
    limits = [await harness.driver.prefect.read_global_concurrency_limit_by_name(name) for name in concurrency_limits()]
    return [f"{limit.active_slots} slots of {limit.name} are held" for limit in limits if limit.active_slots]
