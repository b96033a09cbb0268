"""Workers of a pool, and the runs in it."""

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

from deployments.local.stack.errors import ServiceFailed
from deployments.local.stack.process import Process
from deployments.local.stack.process_tags import TAG_VARIABLE, data_dir_tag
from deployments.server.recovery_automations import AUTO_RECOVER_TAG
from deployments.server.register import DEFAULT_WORK_POOL
from flows.pro_video import pro_video
from tests.acceptance.conftest import StackDriver
from videojobs.db import SubmissionState
from videojobs.errors import UnknownJob
from videojobs.states import Stage

POLL_SECONDS = 0.2  # each poll of a run costs the Prefect server 10 ms of CPU
WAIT_SECONDS = 180.0  # reached only when something is broken: on a loaded machine, a run may take a minute to start


@dataclass
class WorkerPool:
    """Workers of one pool, started by Prefect's own command as operators do; and the runs in the pool."""

    driver: StackDriver
    name: str = DEFAULT_WORK_POOL
    extra_variables: Mapping[str, str] = field(default_factory=dict)  # environment variables of the workers
    workers: list[Process] = field(default_factory=list)

    @property
    def prefect(self) -> PrefectClient:
        return self.driver.prefect

    async def start_worker(self, name: str, *options: str, command_prefix: Sequence[str] = ()) -> Process:
        """Start a worker and wait until it polls. `command_prefix` replaces the default command."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "VIDEOJOBS_"))}
        mark = {TAG_VARIABLE: f"{data_dir_tag(self.driver.stack.data)}-{name}"}
        worker = Process(
            name,
            [
                *command_prefix,
                sys.executable,
                "-m",
                "prefect",
                "worker",
                "start",
                "--pool",
                self.name,
                "--name",
                name,
                *options,
            ],
            log=self.driver.folder / f"{name}.log",
            environment={
                **inherited,
                **self.driver.stack.variables,
                **mark,
                "PYTHONUNBUFFERED": "1",
                **self.extra_variables,
            },
            account=None,
        )
        self.workers.append(worker)
        await start_and_wait(worker)
        return worker

    async def restart_exited_workers(self) -> None:
        """Restart workers that have exited, as a process manager does."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            for worker in self.workers:
                if worker.exited_unexpectedly:
                    with suppress(ServiceFailed):  # the Prefect server may be down, too
                        await start_and_wait(worker)

    async def kill_all(self) -> None:
        for worker in self.workers:
            await worker.kill()

    # ---- runs ------------------------------------------------------------------------------------------------

    async def start_run(self, flow: Flow[..., Any], **parameters: Any) -> FlowRun:
        """Start a run of this flow's deployment in this pool."""
        deployment = await self.prefect.create_deployment(
            flow_id=await self.prefect.create_flow(flow),
            name=self.name,
            work_pool_name=self.name,
            entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
            tags=[AUTO_RECOVER_TAG] if flow is pro_video else [],
        )
        return await self.prefect.create_flow_run_from_deployment(deployment, parameters=parameters)

    async def start_job(self, *, areas: bool = False) -> tuple[FlowRun, str]:
        """Start a run of the main flow; gives it and the id of its job."""
        job_id = f"job-{uuid4()}"
        return await self.start_run(pro_video, **self.driver.make_small_request(areas=areas), job_id=job_id), job_id

    async def wait_until_submitted(self, job_id: str, vendor: str) -> None:
        """Wait until the vendor has recorded it."""

        async def is_submitted() -> bool:
            return bool(await self.driver.vendor_submissions(vendor, job_id))

        await wait_until(is_submitted)

    async def wait_until_accepted(self, job_id: str) -> None:
        """Wait until the lip-sync is accepted and the database says so."""

        async def is_accepted() -> bool:
            try:
                return await self.driver.submission_state(job_id, Stage.LIP_SYNC) == SubmissionState.ACCEPTED
            except UnknownJob:
                return False

        await wait_until(is_accepted)

    async def read_run(self, run: FlowRun) -> FlowRun:
        return await self.prefect.read_flow_run(run.id)

    async def wait_for_state(self, run: FlowRun, *names: str, timeout: float = WAIT_SECONDS) -> FlowRun:
        """Wait until the run is in a state of one of these names."""

        async def has_state() -> bool:
            return (await self.read_run(run)).state_name in names

        await wait_until(has_state, timeout=timeout)
        return await self.read_run(run)

    async def state_names(self, run: FlowRun) -> list[str]:
        """The names of all states that it was in, in order."""
        found = await self.prefect.read_flow_run_states(run.id)
        return [str(state.name) for state in sorted(found, key=lambda state: state.timestamp)]

    async def set_state(self, run: FlowRun, state: State[Any], *, force: bool = False) -> None:
        """Set a state, as the buttons on the run's page do."""
        await self.prefect.set_flow_run_state(run.id, state, force=force)

    async def wait_for_log(self, run: FlowRun, *, expected_line: str, times: int = 1) -> list[str]:
        """The run's log messages in order, once this line occurs the given number of times."""
        ours = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        lines: list[str] = []

        async def has_line() -> bool:
            lines[:] = [line.message for line in await self.prefect.read_logs(ours, sort=LogSort.TIMESTAMP_ASC)]
            return lines.count(expected_line) >= times

        await wait_until(has_line)
        return lines


async def start_and_wait(worker: Process) -> None:
    """Start a process, whether it was killed before or not, and wait until it polls."""
    await worker.kill()
    await worker.start()

    async def is_polling() -> bool:
        return worker.has_logged("started!")

    await worker.wait_until_ready(is_polling, timeout=120)


async def wait_until(condition: Callable[[], Awaitable[bool]], *, timeout: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():  # noqa: ASYNC110  # another process changes it
            await asyncio.sleep(POLL_SECONDS)
