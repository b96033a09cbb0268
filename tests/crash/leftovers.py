"""What must not lie about when everything is over."""

import asyncio
import fcntl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from sqlalchemy import text

from deployments.limits import VendorSlots
from tasks.run_again import SUBFLOW_NAME
from tests.crash.bench import Bench, until
from videojobs.ledger import engine_for
from videojobs.media.store import ObjectStore

# A place at a vendor whose holder was killed is free after five minutes; one that the Prefect server has counted for
# nobody is found by a clean-up when no run has died for six.
SLOT_SECONDS: Final = 510.0
SILENT_SECONDS: Final = 420.0  # a run that died with its worker is noticed after a minute, or by some clean-up
_GOING_ON: Final = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.CRASHED, StateType.PAUSED]
_HELD: Final = text("SELECT id, lease_holder FROM video_jobs WHERE lease_holder IS NOT NULL")
_UNFINISHED: Final = text("SELECT id FROM video_jobs WHERE completed_at IS NULL AND parked_reason IS NULL")
_IN_DOUBT: Final = text("""
    SELECT job_id, stage, state FROM video_submissions JOIN video_jobs ON video_jobs.id = job_id
    WHERE status = 'completed' AND state IN ('intended', 'unknown', 'waiting')
""")


async def leftovers(bench: Bench) -> list[str]:
    """Runs, leases, submissions in doubt, half-sent objects, working folders, places at vendors."""
    runs = await _late(lambda: _runs(bench), SILENT_SECONDS)
    return [
        *runs,
        *await _late(lambda: _leases(bench), SILENT_SECONDS),
        *(f"{job} is completed, and its {stage} is {state}" for job, stage, state in await _rows(bench, _IN_DOUBT)),
        *(f"{key} is half sent" for key in await asyncio.to_thread(_half_sent, bench.desk.store)),
        *(f"{name} is nobody's" for name in _abandoned(bench.desk.folder / "scratch")),
        *await _late(lambda: _taken(bench), SLOT_SECONDS),
    ]


async def _rows(bench: Bench, query: object) -> list[tuple[str, ...]]:
    async with engine_for(bench.desk.stack.variables["DATABASE_URL"]).connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]  # type: ignore[call-overload]  # text


async def _late(look: Callable[[], Awaitable[list[str]]], seconds: float) -> list[str]:
    """What is still there after so many seconds."""

    async def nothing() -> bool:
        return not await look()

    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until(nothing)
    return await look()


async def _runs(bench: Bench) -> list[str]:
    """All runs that are not over, of flows and of subflows. One that crashed before its job was over is history."""
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_GOING_ON)))
    found = await bench.desk.prefect.read_flow_runs(flow_run_filter=wanted)
    again = {*await _rows(bench, _UNFINISHED)}
    going_on = [run for run in found if run.state_type != StateType.CRASHED or (_job_of(run),) in again]
    return [f"flow run {run.name} is {run.state_name}" for run in going_on]


async def _leases(bench: Bench) -> list[str]:
    return [f"the lease of {job} is held by {holder}" for job, holder in await _rows(bench, _HELD)]


def _job_of(run: FlowRun) -> str:
    return str(run.parameters.get("job_id") or run.name.removeprefix(SUBFLOW_NAME))


def _half_sent(store: ObjectStore) -> Iterator[str]:
    client = store._client
    try:
        pages = list(client.get_paginator("list_multipart_uploads").paginate(Bucket=store.bucket))
    except client.exceptions.NoSuchUpload:  # rclone's way to say that there is none
        return
    for page in pages:
        yield from (upload["Key"] for upload in page.get("Uploads", []))


def _abandoned(folder: Path) -> Iterator[str]:
    """Working folders whose process is gone: nobody holds their lock."""
    for lock in folder.glob("videojobs-*.lock"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock.stem


async def _taken(bench: Bench) -> list[str]:
    limits = [await bench.desk.prefect.read_global_concurrency_limit_by_name(name) for name in VendorSlots().by_name()]
    return [f"{limit.active_slots} places of {limit.name} are taken" for limit in limits if limit.active_slots]
