"""The benchmark harness: the local stack with workers and jobs, and access to the vendors' records."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deployments.local.sample import Caption, write_clip
from deployments.local.services.worker import MALLOC_SETTINGS
from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.process import Process
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.stack import Stack
from deployments.local.stack.watchdog import Watchdog
from deployments.server.environment import EMPTY_ENVIRONMENT, REPOSITORY_ROOT
from deployments.server.register import DEFAULT_WORK_POOL
from deployments.server.storage import object_store_from_env
from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from tests.benchmarks.resource_usage import ResourceUsage, usage_by_service
from videojobs.db import VideoJob, get_engine
from videojobs.states import JobKind
from videojobs.storage.object_store import ObjectStore

__all__ = ["COROUTINE_WORKER", "REPOSITORY_ROOT", "STOCK_POOL", "Harness", "VendorVisit", "open_harness"]

DEPLOYMENT: Final = JOB_DEPLOYMENTS[JobKind.PRO_VIDEO]
COROUTINE_WORKER, STOCK_POOL = "coroutine worker", "process pool"
STOCK_NAME: Final = "stock"
POLL_INTERVAL: Final = 0.5
STOP_TIMEOUT: Final = 5  # a process that takes longer only has jobs that never end
MAX_CONCURRENT_STARTS: Final = 8  # requests to the Prefect API that start jobs
NO_LIMIT: Final = 100_000  # concurrency slots and points at the vendors: their plans are not measured
VIDEO_SECONDS: Final = 2.4
AREA: Final = {"x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 1.5, "end": 2.1}
VIDEO: Final = "video.mp4"
SPEECH_KEY: Final = "bench/audio.flac"
_SPEECH: Final = Path(__file__).parents[2] / "deployments/local/sample/speech/audio-2.flac"
_JOB_ID_PATTERN: Final = re.compile(r"/jobs/([^/]+)/")

SETTINGS: Final = {
    "VIDEOJOBS_SLOTS_SYNC_SO": str(NO_LIMIT),
    "VIDEOJOBS_SLOTS_GHOSTCUT": str(NO_LIMIT),
    **{f"VIDEOJOBS_RATE_{name}": "1000" for name in ("SYNC_SO_CREATES", "SYNC_SO_READS", "GHOSTCUT_SUBMITS")},
    # The product's own poll intervals. The stack has shorter ones for its quick emulators.
    "VIDEOJOBS_SYNC_LONG_POLL_SECONDS": "10",
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "15",
    "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "30",
    "VIDEOJOBS_GHOSTCUT_POLL_CALLBACK_SECONDS": "120",
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "10",
}


@dataclass(frozen=True, slots=True)
class VendorVisit:
    """One job at one vendor, by the vendor's own records. Unix seconds; `ended_at` is None while it is running."""

    created_at: float
    ended_at: float | None
    polls: int


@dataclass
class Harness:
    """A running stack without a worker of its own: each measurement starts the workers it needs."""

    stack: Stack
    prefect: PrefectClient
    folder: Path
    _deployment_id: UUID
    _process_factory: ProcessFactory
    _programs: list[Process] = field(default_factory=list[Process])
    _launch_count: int = field(default=0)

    @property
    def store(self) -> ObjectStore:
        return object_store_from_env(self.stack.variables)

    def usage(self) -> dict[str, ResourceUsage]:
        return usage_by_service(self.stack.data)

    # ---- vendors ---------------------------------------------------------------------------------------------

    async def remove_vendor_limits(self) -> None:
        """Remove all limits, and the processing of pictures."""
        for vendor, limit in (("sync_so", "concurrency_limit"), ("ghostcut", "points")):
            await self._control_emulator(vendor, "PATCH", "settings", {"pass_through": True, limit: NO_LIMIT})

    async def set_processing_time(self, seconds: float, *vendors: str) -> None:
        """Set the processing time of the vendor (of both, if none is named)."""
        for vendor in vendors or ("sync_so", "ghostcut"):
            await self._control_emulator(vendor, "PATCH", "settings", {"processing_seconds": seconds})

    async def vendor_visits(self, vendor: str) -> dict[str, VendorVisit]:
        """The visits by job."""
        records = await self._control_emulator(vendor, "GET", "records")
        return {
            _JOB_ID_PATTERN.findall(json.dumps(entry["request"]))[0]: VendorVisit(
                entry["created_at"], entry["ended_at"], entry["polls"]
            )
            for entry in records["submissions"]
        }

    async def count_running(self, vendor: str, job_ids: Sequence[str]) -> int:
        """The number of these jobs that a vendor is processing now."""
        stays = await self.vendor_visits(vendor)
        return sum(job in stays and stays[job].ended_at is None for job in job_ids)

    async def call_counts(self, vendor: str) -> dict[str, int]:
        """The number of calls of each vendor operation."""
        return dict(await self._control_emulator(vendor, "GET", "calls"))

    async def _control_emulator(self, vendor: str, method: str, page: str, body: Any = None) -> Any:
        async with httpx.AsyncClient(base_url=self.stack.address_of(vendor), timeout=60, trust_env=False) as http:
            return (await http.request(method, f"/_emulator/{page}", json=body)).raise_for_status().json()

    # ---- jobs ------------------------------------------------------------------------------------------------

    async def prepare_requests(self, job_ids: Iterable[str], *, areas: bool = True) -> dict[str, dict[str, Any]]:
        """The request of each job. All inputs are in the bucket.

        Each video has its own name, by which the vendors' records identify the job.
        """
        store, video = self.store, self.folder / VIDEO
        keys = {job_id: f"bench/jobs/{job_id}/{VIDEO}" for job_id in job_ids}
        with ThreadPoolExecutor(MAX_CONCURRENT_STARTS) as pool:
            list(await asyncio.to_thread(pool.map, lambda key: store.put_file(key, video, "video/mp4"), keys.values()))
        return {
            job_id: {
                "video": store.uri(key),
                "audio": [{"refId": "audio-2", "source": store.uri(SPEECH_KEY)}],
                "segments": [{"startTime": 0, "endTime": 1.0, "audioInput": {"refId": "audio-2"}}],
                "effects": [{"kind": "erasure", **AREA}] if areas else [],
                "user_id": "bench",
            }
            for job_id, key in keys.items()
        }

    async def start_jobs(self, job_ids: Sequence[str], *, areas: bool = True) -> dict[str, float]:
        """Start runs through the Prefect API, a few at a time; gives the time of each request (Unix seconds)."""
        few = asyncio.Semaphore(MAX_CONCURRENT_STARTS)
        began: dict[str, float] = {}
        requests = await self.prepare_requests(job_ids, areas=areas)

        async def start(job_id: str) -> None:
            async with few:
                began[job_id] = time.time()
                await self.prefect.create_flow_run_from_deployment(
                    self._deployment_id, parameters={**requests[job_id], "job_id": job_id}, name=job_id
                )

        await asyncio.gather(*(start(job_id) for job_id in job_ids))
        return began

    async def wait_for_completion(self, job_ids: Sequence[str], timeout: float) -> dict[str, float]:
        """The completion time of each job (Unix seconds), from the database. Raises if one fails or times out."""

        async def are_all_completed() -> bool:
            jobs = await self._load_jobs(job_ids)
            if wrong := [job for job in jobs if job.status == "failed" or job.parked_reason]:
                raise RuntimeError(f"{wrong[0].id}: {wrong[0].error_message or wrong[0].parked_reason}")
            return len([job for job in jobs if job.completed_at]) == len(job_ids)

        await self.wait_until(are_all_completed, timeout)
        return {job.id: job.completed_at.timestamp() for job in await self._load_jobs(job_ids) if job.completed_at}

    async def _load_jobs(self, job_ids: Sequence[str]) -> Sequence[VideoJob]:
        async with AsyncSession(get_engine(self.stack.variables["DATABASE_URL"])) as session:
            return (await session.scalars(select(VideoJob).where(VideoJob.id.in_(job_ids)))).all()

    # ---- processes -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def run_workers(
        self,
        number: int = 1,
        kind: str = COROUTINE_WORKER,
        *,
        max_runs: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        cpu_profile: Path | None = None,
    ) -> AsyncIterator[list[Path]]:
        """Workers for the jobs, with at most `max_runs` runs each; gives the lag files of our workers.

        `settings` are the product's, for these workers. `cpu_profile` is the file for a profile of one of ours.
        """
        pool = await self._select_pool(kind)
        lags = [self.folder / f"lags-{self._launch_count + index}.jsonl" for index in range(number)]
        limit = ("--limit", str(max_runs)) if max_runs else ()
        async with AsyncExitStack() as programs:
            for index, file in enumerate(lags):
                more = {**settings, "BENCH_LAG_FILE": str(file)} | (
                    {"BENCH_PROFILE_FILE": str(cpu_profile)} if cpu_profile else {}
                )
                module = "tests.benchmarks.instrumented_worker" if kind == COROUTINE_WORKER else "prefect"
                command = ("worker", "start", "--pool", pool, "--name", f"bench-{index}", *limit)
                program = await programs.enter_async_context(self.run_program("worker", module, *command, **more))
                await program.wait_until_ready(lambda program=program: _has_logged(program, "started!"), timeout=120)  # type: ignore[misc]
            yield lags

    @asynccontextmanager
    async def run_program(self, service: str, module: str, *arguments: str, **variables: str) -> AsyncIterator[Process]:
        """Run a Python process with the stack's addresses during the context. Its usage counts as `service`."""
        worker = {"PREFECT_WORKER_QUERY_SECONDS": "1", **MALLOC_SETTINGS}  # as the stack's own worker
        known = {**self.stack.variables, **worker, **variables}
        self._launch_count += 1
        process = self._process_factory.create_module_process(service, module, *arguments, variables=known)
        await process.start()
        self._programs.append(process)
        try:
            yield process
        finally:
            self._programs.remove(process)
            await process.stop(SIGTERM, timeout=STOP_TIMEOUT)
            await process.kill()  # also kills its children

    async def wait_until(self, condition: Callable[[], Awaitable[bool]], timeout: float) -> None:
        """Raises TimeoutError, and ServiceFailed as soon as one of the processes has ended by itself."""
        async with asyncio.timeout(timeout):
            while not await condition():
                if ended := next((program for program in self._programs if program.exited_unexpectedly), None):
                    raise ended.exit_error()
                await asyncio.sleep(POLL_INTERVAL)

    async def _select_pool(self, kind: str) -> str:
        """The pool of this kind; from now on it gets the deployment's runs."""
        name = DEFAULT_WORK_POOL if kind == COROUTINE_WORKER else STOCK_NAME
        if kind != COROUTINE_WORKER:
            await self.prefect.create_work_pool(WorkPoolCreate(name=name, type="process"), overwrite=True)
        await self.prefect.update_deployment(self._deployment_id, DeploymentUpdate(work_pool_name=name))
        return name


async def _has_logged(program: Process, text: str) -> bool:
    return program.has_logged(text)


@asynccontextmanager
async def open_harness(settings: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Harness]:
    """A fresh stack with these settings. Its vendors return the video unchanged."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        stack = Stack(
            data=folder / "data",
            environment=EMPTY_ENVIRONMENT,
            services=["registration", "api"],
            processing_seconds=0,
            settings={**SETTINGS, **settings},
            keep_data=False,
        )
        async with stack, prefect_client(stack.variables) as prefect:
            deployment = (await prefect.read_deployment_by_name(DEPLOYMENT)).id
            await asyncio.to_thread(_make_inputs, object_store_from_env(stack.variables), folder / VIDEO)
            launcher = ProcessFactory(DataDir(stack.data), EMPTY_ENVIRONMENT)
            stand = Harness(stack, prefect, folder, deployment, launcher)
            await stand.remove_vendor_limits()
            watchdog = Watchdog(launcher)  # the stack's own one does not know these processes
            await watchdog.start()
            try:
                yield stand
            finally:
                await watchdog.trigger_and_wait()


def _make_inputs(store: ObjectStore, video: Path) -> None:
    """The shortest valid video: its processing is not measured."""
    caption = Caption(**AREA, text="Dawn")
    write_clip(video, seconds=VIDEO_SECONDS, size=(320, 180), fps=Fraction(15), captions=[caption], sound=_SPEECH)
    store.put_file(SPEECH_KEY, _SPEECH, "audio/flac")
