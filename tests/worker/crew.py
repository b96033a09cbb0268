"""Workers of a pool, started as operators do, and the runs that they are given."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import LogSort

from deployments.automations import RECOVERED_TAG
from deployments.local.errors import PartFailed
from deployments.local.marking import MARK_VARIABLE, folder_mark
from deployments.local.process import Process
from deployments.register import WORK_POOL
from flows.pro_video import pro_video
from tests.stack.conftest import Desk
from videojobs.ledger import SubmissionState, UnknownJob
from videojobs.states import Stage

LOOK_SECONDS = 0.1


@dataclass
class Crew:
    """Workers of one pool, started as operators do, by Prefect's own command; and the runs that they are given."""

    desk: Desk
    pool: str = WORK_POOL
    more: Mapping[str, str] = field(default_factory=dict)  # variables of the workers
    workers: list[Process] = field(default_factory=list)

    @property
    def prefect(self) -> PrefectClient:
        return self.desk.prefect

    async def worker(self, name: str, *options: str, by: Sequence[str] = ()) -> Process:
        """A worker that has begun to poll; started by another command, if one is named."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "VIDEOJOBS_"))}
        mark = {MARK_VARIABLE: f"{folder_mark(self.desk.stack.data)}-{name}"}
        worker = Process(
            name,
            [*by, sys.executable, "-m", "prefect", "worker", "start", "--pool", self.pool, "--name", name, *options],
            log=self.desk.folder / f"{name}.log",
            environment={**inherited, **self.desk.stack.variables, **mark, "PYTHONUNBUFFERED": "1", **self.more},
            account=None,
        )
        self.workers.append(worker)
        await begun(worker)
        return worker

    async def keep(self) -> None:
        """As a process manager would: a worker that has ended by itself is started again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for worker in self.workers:
                if worker.ended_by_itself:
                    with suppress(PartFailed):  # the Prefect server may be away, too
                        await begun(worker)

    async def dismiss(self) -> None:
        for worker in self.workers:
            await worker.kill()

    # ---- runs ------------------------------------------------------------------------------------------------

    async def give(self, flow: Flow[..., Any], **parameters: Any) -> FlowRun:
        """A run of a deployment of this flow in the crew's pool."""
        deployment = await self.prefect.create_deployment(
            flow_id=await self.prefect.create_flow(flow),
            name=self.pool,
            work_pool_name=self.pool,
            entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
            tags=[RECOVERED_TAG] if flow is pro_video else [],
        )
        return await self.prefect.create_flow_run_from_deployment(deployment, parameters=parameters)

    async def job(self, *, areas: bool = False) -> tuple[FlowRun, str]:
        """A run of the main flow, and the id of its job."""
        job_id = f"job-{uuid4()}"
        return await self.give(pro_video, **self.desk.small(areas=areas), job_id=job_id), job_id

    async def bought(self, job_id: str, vendor: str) -> None:
        """Wait until the vendor has it on its books."""

        async def on_the_books() -> bool:
            return bool(await self.desk.paid(vendor, job_id))

        await until(on_the_books)

    async def accepted(self, job_id: str) -> None:
        """Wait until the lip-sync is bought, and our books say so."""

        async def told() -> bool:
            try:
                return await self.desk.submission(job_id, Stage.LIP_SYNC) == SubmissionState.ACCEPTED
            except UnknownJob:
                return False

        await until(told)

    async def look(self, run: FlowRun) -> FlowRun:
        return await self.prefect.read_flow_run(run.id)

    async def comes_to(self, run: FlowRun, *names: str, patience: float = 60) -> FlowRun:
        """Wait until the run is in a state of one of these names."""

        async def there() -> bool:
            return (await self.look(run)).state_name in names

        await until(there, patience=patience)
        return await self.look(run)

    async def states(self, run: FlowRun) -> list[str]:
        """The names of all states that it was in, in order."""
        found = await self.prefect.read_flow_run_states(run.id)
        return [str(state.name) for state in sorted(found, key=lambda state: state.timestamp)]

    async def set(self, run: FlowRun, state: State[Any], *, force: bool = False) -> None:
        """As the buttons on its page do."""
        await self.prefect.set_flow_run_state(run.id, state, force=force)

    async def log(self, run: FlowRun, *, until_it_says: str, times: int = 1) -> list[str]:
        """What its page shows, in order, as soon as this line is among it so many times."""
        ours = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        lines: list[str] = []

        async def says() -> bool:
            lines[:] = [line.message for line in await self.prefect.read_logs(ours, sort=LogSort.TIMESTAMP_ASC)]
            return lines.count(until_it_says) >= times

        await until(says)
        return lines


async def begun(worker: Process) -> None:
    """Start it, killed before or not, and wait until it polls."""
    await worker.kill()
    await worker.start()

    async def polls() -> bool:
        return worker.has_logged("started!")

    await worker.until(polls, patience=120)


async def until(condition: Callable[[], Awaitable[bool]], *, patience: float = 60) -> None:
    async with asyncio.timeout(patience):
        while not await condition():  # noqa: ASYNC110  # another process changes it
            await asyncio.sleep(LOOK_SECONDS)
