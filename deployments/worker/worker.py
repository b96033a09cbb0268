"""The worker: polls its pool, starts runs in the event loop of the flows, and stops in order."""

import asyncio
import gc
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from signal import SIGTERM
from typing import Any, Final
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.exceptions import ParameterBindError, SignatureMismatchError

from deployments.server.recovery_automations import LivenessSettings
from deployments.worker.engine import StopReason
from deployments.worker.event_listener import STOP_EVENTS, listen
from deployments.worker.flow_loader import UnrunnableFlow, load_flow
from deployments.worker.job_configuration import CoroutineJobConfiguration, CoroutineVariables, CoroutineWorkerResult
from deployments.worker.liveness import LoopWatchdog
from deployments.worker.orphan_scan import is_orphaned, is_stop_requested, list_transitional_runs
from deployments.worker.prefect_compat import CompatWorker
from deployments.worker.run_manager import RunManager
from deployments.worker.settings import WorkerSettings
from videojobs.aio.background_loop import BackgroundEventLoop
from videojobs.aio.periodic import run_periodically

# Between two polls that events request: one poll returns all runs that are due.
POLL_DEBOUNCE_SECONDS: Final = 0.2
RECONNECT_SECONDS: Final = 2.0  # of the event listener
# A waiting run keeps some thousand objects. With Python's own thresholds (700, 10, 10) a full collection ran at every
# tenth start: 1.5 ms for each waiting run, during which nothing else runs.
GC_THRESHOLDS: Final = (10_000, 10, 10)
FLOW_LOOP_NAME: Final = "flows"
"""The name of the event loop in which the flows run."""
UNRUNNABLE_ERRORS: Final = (UnrunnableFlow, ParameterBindError, SignatureMismatchError)


class CoroutineWorker(CompatWorker[CoroutineJobConfiguration, CoroutineVariables, CoroutineWorkerResult]):
    """Runs async flows of installed packages as coroutines of this process."""

    type = "coroutine"
    job_configuration = CoroutineJobConfiguration
    job_configuration_variables = CoroutineVariables
    _display_name = "Coroutine"
    _description = (
        "Execute async flow runs as coroutines of the worker's own process. Made for thousands of runs that wait for "
        "other services: a waiting run costs no process. Flows are imported by module name from installed packages."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = WorkerSettings.current()
        self._identifier = f"{socket.gethostname()}:{os.getpid()}"
        self._start_semaphore = asyncio.Semaphore(self._settings.max_concurrent_starts)
        self._poll_lock = asyncio.Lock()
        self._poll_requested = asyncio.Event()
        self._active_run_ids: set[UUID] = set()
        self._claimed_since_poll: set[UUID] = set()
        self._has_backlog = False  # due runs that the last poll left for later, or for another worker
        self._cancelled_before_start: set[UUID] = set()
        self._is_draining = False

    # ---- start and stop --------------------------------------------------------------------------------------

    async def setup(self) -> None:
        self._install_sigterm_handler()
        gc.set_threshold(*GC_THRESHOLDS)
        await super().setup()
        # A loop of its own for the flows, so that the worker polls however busy they are. It also keeps signals from
        # them, which Python delivers to the main thread only: Prefect's engine would crash the one run that gets them.
        self._flow_loop = BackgroundEventLoop(FLOW_LOOP_NAME, threads=self._settings.threads)
        self._loop_watchdog = LoopWatchdog(self._flow_loop, self.logger)
        self._run_manager = RunManager(self._settings.heartbeat_seconds)
        await self._flow_loop.run(self._run_manager.open())
        intervals = {
            self._listen: RECONNECT_SECONDS,
            self._poll_on_event: POLL_DEBOUNCE_SECONDS,
            self._scan_for_orphans: self._settings.orphan_scan_interval_seconds,
        }
        self._background_tasks = [
            asyncio.create_task(run_periodically(job, interval_seconds, self.logger))
            for job, interval_seconds in intervals.items()
        ]

    def _install_sigterm_handler(self) -> None:
        """Stop in order at the first SIGTERM, and at once at the second.

        Prefect's command turns SIGTERM into SIGINT, which a background process of a shell script ignores: it would
        never stop.
        """
        if threading.current_thread() is not threading.main_thread() or (main_task := asyncio.current_task()) is None:
            return  # embedded in another program, which handles its own signals
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_signal_handler(SIGTERM)
            main_task.cancel()

        loop.add_signal_handler(SIGTERM, stop)

    async def teardown(self, *exc_info: Any) -> None:
        """Requeue active runs after an interrupt; wait for them after the one poll of `--run-once`."""
        for task in self._background_tasks:
            task.cancel()
        self._is_draining = exc_info[0] is not None
        timeout = self._settings.drain_seconds if self._is_draining else None
        if self._active_run_ids:
            self.logger.info("Stopping, with %d active runs", len(self._active_run_ids))
        while self._active_run_ids or self.submitting_run_ids:
            await self._flow_loop.run(self._run_manager.drain(timeout))
            await asyncio.sleep(0.05)
        await self._flow_loop.run(self._run_manager.close())
        await super().teardown(*exc_info)
        await self._flow_loop.close()

    # ---- polling ---------------------------------------------------------------------------------------------

    async def sync(self) -> None:
        with self._tolerate_outages():
            await super().sync()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        with self._tolerate_outages():
            async with self._poll_lock:
                if await self._loop_watchdog.is_responsive():
                    self._has_backlog = not self._has_start_capacity()
                    if not self._has_backlog:
                        self._claimed_since_poll = {*self._active_run_ids, *self.submitting_run_ids}
                        return await super().get_and_submit_flow_runs()
        return []

    @contextmanager
    def _tolerate_outages(self) -> Iterator[None]:
        """Keep the active runs going: Prefect's worker exits when the server is down for minutes."""
        try:
            yield
        except httpx.TransportError as error:
            self.logger.warning("The Prefect server does not respond (%s)", type(error).__name__)
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
            self.logger.warning("The Prefect server returns %d", error.response.status_code)

    def _has_start_capacity(self) -> bool:
        """Whether a poll is worth its response of up to 200 runs."""
        return 2 * self._start_capacity >= self._settings.max_concurrent_starts

    @property
    def _start_capacity(self) -> int:
        """How many more runs to accept, including those that wait for a start slot."""
        return self._settings.max_concurrent_starts - len(self.submitting_run_ids)

    async def submit_polled_runs(self, responses: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """Skip runs that were claimed since the poll was sent: its response still lists them as scheduled.

        An active run that is scheduled again was considered dead. It is abandoned here, and the next poll claims it.
        """
        fresh = []
        for response in responses:
            if (run_id := response.flow_run.id) not in self._claimed_since_poll:
                fresh.append(response)
            elif run_id in self._active_run_ids:
                state = (await self.client.read_flow_run(run_id)).state
                if state is not None and state.is_scheduled():
                    await self._flow_loop.run(self._run_manager.stop(run_id, StopReason.ABANDON))
        self._has_backlog = len(fresh) > self._start_capacity
        return await super().submit_polled_runs(fresh[: self._start_capacity])

    async def submit_run(self, flow_run: FlowRun) -> None:
        async with self._start_semaphore:
            if self._is_draining:  # still Scheduled: another worker finds it
                self.drop_submission(flow_run.id)
                return
            await super().submit_run(flow_run)
            await self._flow_loop.run(
                self._run_manager.wait_until_idle(flow_run.id, self._settings.start_timeout_seconds)
            )
        if flow_run.id in self._cancelled_before_start and flow_run.id not in self._active_run_ids:
            await self._finalize_run(flow_run)
        if self._has_backlog and self._has_start_capacity():
            self._poll_requested.set()

    # ---- running ---------------------------------------------------------------------------------------------

    async def run(
        self,
        flow_run: FlowRun,
        configuration: CoroutineJobConfiguration,
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> CoroutineWorkerResult:
        """Run it to its end; its state says how it ended. Raises where the flow cannot be run at all."""
        if configuration.ignored_variables:
            ignored = ", ".join(sorted(configuration.ignored_variables))
            self.get_flow_run_logger(flow_run).warning("Runs of this pool share one process; ignored: %s", ignored)
        self._active_run_ids.add(flow_run.id)
        self._claimed_since_poll.add(flow_run.id)
        try:
            await self._start_run(flow_run, configuration.entrypoint)
            if task_status is not None:
                task_status.started(self._identifier)
            await self._flow_loop.run(self._run_manager.wait_until_ended(flow_run.id))
        except UNRUNNABLE_ERRORS as error:
            await self.fail_run(flow_run, error)
            raise
        finally:
            self._active_run_ids.discard(flow_run.id)
            self._cancelled_before_start.discard(flow_run.id)
        return CoroutineWorkerResult(identifier=self._identifier, status_code=0)

    async def _start_run(self, flow_run: FlowRun, entrypoint: str | None) -> None:
        flow = await load_flow(entrypoint)
        is_stopping = self._is_draining or flow_run.id in self._cancelled_before_start
        await self._flow_loop.run(self._run_manager.start(flow, flow_run, StopReason.REQUEUE if is_stopping else None))
        if flow_run.id in self._cancelled_before_start:  # during the start
            await self._flow_loop.run(self._run_manager.stop(flow_run.id, StopReason.ABANDON))

    async def stop_run(self, run_id: UUID) -> None:
        self._cancelled_before_start.add(run_id)
        await self._flow_loop.run(self._run_manager.stop(run_id, StopReason.ABANDON))

    # ---- background tasks ------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        await listen(self.work_pool.id, self._handle_event)

    def _handle_event(self, event: str, run_id: UUID) -> None:
        if event not in STOP_EVENTS:
            self._poll_requested.set()
        elif run_id in (self._active_run_ids | self.submitting_run_ids):
            self.start_soon(self.stop_run, run_id)

    async def _poll_on_event(self) -> None:
        await self._poll_requested.wait()
        self._poll_requested.clear()
        await self.get_and_submit_flow_runs()

    async def _scan_for_orphans(self) -> None:
        """Handle what events missed: runs that were stopped, and runs without a worker."""
        heartbeat_timeout = timedelta(seconds=LivenessSettings.current().heartbeat_timeout_seconds)
        for run in await list_transitional_runs(self.client, self.pool_name):
            if run.id in self._active_run_ids:
                if is_stop_requested(run):
                    await self.stop_run(run.id)
            elif run.id not in self.submitting_run_ids and await is_orphaned(self.client, run, heartbeat_timeout):
                self.logger.warning("Flow run %s has no worker: setting its state", run.id)
                await self._finalize_run(run)

    async def _finalize_run(self, flow_run: FlowRun) -> None:
        """Set the state of a run without a worker: Cancelled, or scheduled again."""
        self._cancelled_before_start.discard(flow_run.id)
        try:
            configuration = await self.job_configuration.resolve_for_flow_run(
                flow_run, client=self.client, work_pool=self.work_pool, worker_name=self.name
            )
            await self._flow_loop.run(
                self._run_manager.start(await load_flow(configuration.entrypoint), flow_run, StopReason.REQUEUE)
            )
        except Exception as error:
            self.logger.warning("Cannot set the state of flow run %s: %s", flow_run.id, error)
