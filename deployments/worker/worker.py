"""The worker: takes runs from its pool, hands them to the loop of the flows, and stops in order."""

import asyncio
import gc
import os
import socket
import threading
import time
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
from prefect.workers.base import BaseWorker

from deployments.server.recovery_automations import LivenessSettings
from deployments.worker.engine import StopReason
from deployments.worker.event_listener import STOP_EVENTS, listen
from deployments.worker.flow_loader import UnrunnableFlow, load_flow
from deployments.worker.job_configuration import CoroutineJobConfiguration, CoroutineVariables, CoroutineWorkerResult
from deployments.worker.orphan_scan import is_orphaned, is_stop_requested, list_transitional_runs
from deployments.worker.run_manager import RunManager
from deployments.worker.settings import WorkerSettings
from videojobs.aio.background_loop import BackgroundEventLoop
from videojobs.aio.periodic import run_periodically

# A loop that does not answer for so long is stuck. No more work is taken then; its runs fall silent by themselves.
UNRESPONSIVE_SECONDS: Final = 5.0
# Between two polls that events ask for: one poll hears of all runs that there are.
POLL_DEBOUNCE_SECONDS: Final = 0.2
RECONNECT_SECONDS: Final = 2.0
# Each run that waits keeps some thousand objects. By Python's own thresholds (700, 10, 10) all of them were looked
# through every ten runs that began, 1.5 ms for each run that waits, in which nothing else moves.
GC_THRESHOLDS: Final = (10_000, 10, 10)
FLOW_LOOP_NAME: Final = "flows"
"""The name of the loop in which the flows run."""
UNRUNNABLE_ERRORS: Final = (UnrunnableFlow, ParameterBindError, SignatureMismatchError)


class CoroutineWorker(BaseWorker[CoroutineJobConfiguration, CoroutineVariables, CoroutineWorkerResult]):
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
        self._settings = WorkerSettings()
        self._identifier = f"{socket.gethostname()}:{os.getpid()}"
        self._start_semaphore = asyncio.Semaphore(self._settings.starts_at_once)
        self._poll_lock = asyncio.Lock()
        self._poll_requested = asyncio.Event()
        self._active_run_ids: set[UUID] = set()
        self._claimed_since_poll: set[UUID] = set()
        self._has_backlog = False  # of the runs that there are: until there is room, or for another worker
        self._cancelled_before_start: set[UUID] = set()  # cancelled before their flow began
        self._is_draining = False
        self._loop_responded_at = time.monotonic()  # when the flows' loop last answered

    # ---- from start to stop ----------------------------------------------------------------------------------

    async def setup(self) -> None:
        self._install_sigterm_handler()
        gc.set_threshold(*GC_THRESHOLDS)
        await super().setup()
        # Beside the worker's own loop, which polls and answers however busy the flows are. And signals, which Python
        # hands to the main thread only, are for the worker: Prefect's engine would crash the one run that gets them.
        self._flow_loop = BackgroundEventLoop(FLOW_LOOP_NAME, threads=self._settings.threads)
        self._run_manager = RunManager(self._settings.heartbeat_seconds)
        await self._flow_loop.run(self._run_manager.open())
        intervals = {
            self._listen: RECONNECT_SECONDS,
            self._poll_on_event: POLL_DEBOUNCE_SECONDS,
            self._scan_for_orphans: self._settings.sweep_seconds,
        }
        self._background_tasks = [
            asyncio.create_task(run_periodically(job, interval_seconds, self._logger))
            for job, interval_seconds in intervals.items()
        ]

    def _install_sigterm_handler(self) -> None:
        """Stop in order when asked to, and at once when asked again.

        Prefect's command sends itself a SIGINT for it, and a process that a script put into the background ignores
        that: it would never stop.
        """
        if threading.current_thread() is not threading.main_thread() or (main_task := asyncio.current_task()) is None:
            return  # somebody else's process: its signals are its own
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.remove_signal_handler(SIGTERM)
            main_task.cancel()

        loop.add_signal_handler(SIGTERM, stop)

    async def teardown(self, *exc_info: Any) -> None:
        """After an interrupt, runs are handed back; after the only round of `--run-once`, they are waited for."""
        for task in self._background_tasks:
            task.cancel()
        self._is_draining = exc_info[0] is not None
        timeout = self._settings.drain_seconds if self._is_draining else None
        if self._active_run_ids:
            self._logger.info("Stopping, with %d runs in hand", len(self._active_run_ids))
        while self._active_run_ids or self._submitting_flow_run_ids:
            await self._flow_loop.run(self._run_manager.drain(timeout))
            await asyncio.sleep(0.05)
        await self._flow_loop.run(self._run_manager.close())
        await super().teardown(*exc_info)
        await self._flow_loop.close()

    # ---- taking runs -----------------------------------------------------------------------------------------

    async def _sync_and_initialize(self) -> None:
        with self._tolerate_outages():
            await super()._sync_and_initialize()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        with self._tolerate_outages():
            async with self._poll_lock:
                if await self._is_flow_loop_responsive():
                    self._has_backlog = not self._has_start_capacity()
                    if not self._has_backlog:
                        self._claimed_since_poll = {*self._active_run_ids, *self._submitting_flow_run_ids}
                        return await super().get_and_submit_flow_runs()
        return []

    @contextmanager
    def _tolerate_outages(self) -> Iterator[None]:
        """Prefect's worker ends when the server is away for minutes. This one has runs in hand, and they go on."""
        try:
            yield
        except httpx.TransportError as error:
            self._logger.warning("The Prefect server does not answer (%s)", type(error).__name__)
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
            self._logger.warning("The Prefect server answers %d", error.response.status_code)

    async def _is_flow_loop_responsive(self) -> bool:
        """Whether the flows' loop answers. One that is stuck for so long that all runs count as dead ends the process.

        Nothing else would free it, and whoever keeps the worker running starts a new one.
        """
        try:
            async with asyncio.timeout(UNRESPONSIVE_SECONDS):
                await self._flow_loop.run(asyncio.sleep(0))
        except TimeoutError:
            stalled_seconds = time.monotonic() - self._loop_responded_at
            self._logger.error(
                "For %.0f s no flow has moved: one blocks all, or the machine is overloaded", stalled_seconds
            )
            if stalled_seconds > LivenessSettings().silence_seconds:
                os._exit(os.EX_SOFTWARE)  # in order it cannot end
            return False
        self._loop_responded_at = time.monotonic()
        return True

    def _has_start_capacity(self) -> bool:
        """Whether a poll is worth it, whose answer has up to 200 runs."""
        return 2 * self._start_capacity >= self._settings.starts_at_once

    @property
    def _start_capacity(self) -> int:
        """So many more are taken: behind those that begin, as many again wait for their turn."""
        return self._settings.starts_at_once - len(self._submitting_flow_run_ids)

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """What was taken while the poll was on its way is left out: the answer is older than that, and has it as new.

        A run in hand that is scheduled again was taken for dead. It is let go here, and the next poll takes it.
        """
        fresh = []
        for response in flow_run_response:
            if (run_id := response.flow_run.id) not in self._claimed_since_poll:
                fresh.append(response)
            elif run_id in self._active_run_ids:
                state = (await self.client.read_flow_run(run_id)).state
                if state is not None and state.is_scheduled():
                    await self._flow_loop.run(self._run_manager.stop(run_id, StopReason.ABANDON))
        self._has_backlog = len(fresh) > self._start_capacity
        return await super()._submit_scheduled_flow_runs(fresh[: self._start_capacity])

    async def _submit_run(self, flow_run: FlowRun) -> None:
        async with self._start_semaphore:
            if self._is_draining:  # nobody has touched it: another worker finds it as it was
                self._release_limit_slot(flow_run.id)
                self._submitting_flow_run_ids.discard(flow_run.id)
                return
            await super()._submit_run(flow_run)
            await self._flow_loop.run(self._run_manager.wait_until_idle(flow_run.id, self._settings.begin_seconds))
        if flow_run.id in self._cancelled_before_start and flow_run.id not in self._active_run_ids:
            await self._finalize_run(flow_run)
        if self._has_backlog and self._has_start_capacity():
            self._poll_requested.set()

    # ---- running them ----------------------------------------------------------------------------------------

    async def run(
        self,
        flow_run: FlowRun,
        configuration: CoroutineJobConfiguration,
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> CoroutineWorkerResult:
        """Run it to its end, whatever that is: its state tells. Raises where the flow cannot be run at all."""
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
            await self._propose_failed_state(flow_run, error)  # as Crashed it would be run again and again
            raise
        finally:
            self._active_run_ids.discard(flow_run.id)
            self._cancelled_before_start.discard(flow_run.id)
        return CoroutineWorkerResult(identifier=self._identifier, status_code=0)

    async def _start_run(self, flow_run: FlowRun, entrypoint: str | None) -> None:
        flow = await load_flow(entrypoint)
        is_stopping = self._is_draining or flow_run.id in self._cancelled_before_start
        await self._flow_loop.run(self._run_manager.start(flow, flow_run, StopReason.REQUEUE if is_stopping else None))
        if flow_run.id in self._cancelled_before_start:  # meanwhile
            await self._flow_loop.run(self._run_manager.stop(flow_run.id, StopReason.ABANDON))

    async def _cancel_run(self, flow_run_id: UUID) -> None:
        """Stop a run that somebody has cancelled or suspended. The base class may call it, too."""
        self._cancelled_before_start.add(flow_run_id)
        await self._flow_loop.run(self._run_manager.stop(flow_run_id, StopReason.ABANDON))

    # ---- beside it -------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        await listen(self.work_pool.id, self._handle_event)

    def _handle_event(self, event: str, run_id: UUID) -> None:
        if event not in STOP_EVENTS:
            self._poll_requested.set()
        elif run_id in (self._active_run_ids | self._submitting_flow_run_ids) and self._runs_task_group is not None:
            self._runs_task_group.start_soon(self._cancel_run, run_id)

    async def _poll_on_event(self) -> None:
        await self._poll_requested.wait()
        self._poll_requested.clear()
        await self.get_and_submit_flow_runs()

    async def _scan_for_orphans(self) -> None:
        """See to what was missed: runs that were stopped without an event, and runs that are in nobody's hands."""
        heartbeat_timeout = timedelta(seconds=LivenessSettings().silence_seconds)
        for run in await list_transitional_runs(self.client, self._work_pool_name):
            if run.id in self._active_run_ids:
                if is_stop_requested(run):
                    await self._cancel_run(run.id)
            elif run.id not in self._submitting_flow_run_ids and await is_orphaned(self.client, run, heartbeat_timeout):
                self._logger.warning("The flow run %s is in nobody's hands", run.id)
                await self._finalize_run(run)

    async def _finalize_run(self, flow_run: FlowRun) -> None:
        """Give a run that is in nobody's hands the state that it should have: Cancelled, or scheduled again."""
        self._cancelled_before_start.discard(flow_run.id)
        try:
            configuration = await self.job_configuration.resolve_for_flow_run(
                flow_run, client=self.client, work_pool=self.work_pool, worker_name=self.name
            )
            await self._flow_loop.run(
                self._run_manager.start(await load_flow(configuration.entrypoint), flow_run, StopReason.REQUEUE)
            )
        except Exception as error:
            self._logger.warning("Flow run %s could not be settled: %s", flow_run.id, error)
