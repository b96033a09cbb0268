"""Where everything is measured: the local stack, with workers, jobs and a look into everybody's books."""

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

from bench.usage import Usage, usage_of
from deployments.environment import NOTHING_GIVEN, REPOSITORY
from deployments.local.folder import Folder
from deployments.local.launcher import Launcher
from deployments.local.prefect_client import prefect_client
from deployments.local.process import Process
from deployments.local.sample import Caption, write_clip
from deployments.local.stack import Stack
from deployments.local.watchdog import Watchdog
from deployments.local.worker import MALLOC
from deployments.register import WORK_POOL
from deployments.storage import store_of
from videojobs.ledger import VideoJob, engine_for
from videojobs.media.store import ObjectStore

__all__ = ["OURS", "REPOSITORY", "STOCK_POOL", "Stand", "Stay", "open_stand"]

DEPLOYMENT: Final = "pro-video/pro-video"
OURS, STOCK_POOL = "coroutine worker", "process pool"
STOCK_NAME: Final = "stock"
LOOK_SECONDS: Final = 0.5
STOP_SECONDS: Final = 5  # what takes longer to stop only has jobs that were to wait for ever
STARTED_AT_ONCE: Final = 8  # requests to the Prefect API that start jobs
NO_LIMIT: Final = 100_000  # of places and points at the vendors: their plans are not what is measured
SECONDS: Final = 2.4
AREA: Final = {"x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 1.5, "end": 2.1}
VIDEO: Final = "video.mp4"
SPEECH_KEY: Final = "bench/audio.flac"
_SPEECH: Final = Path(__file__).parents[1] / "deployments/local/sample/speech/audio-2.flac"
_JOB: Final = re.compile(r"/jobs/([^/]+)/")

SETTINGS: Final = {
    "VIDEOJOBS_SLOTS_SYNC_SO": str(NO_LIMIT),
    "VIDEOJOBS_SLOTS_GHOSTCUT": str(NO_LIMIT),
    **{f"VIDEOJOBS_RATE_{name}": "1000" for name in ("SYNC_SO_CREATES", "SYNC_SO_READS", "GHOSTCUT_SUBMITS")},
    # The product's own pauses. The stack has shorter ones for its quick emulators.
    "VIDEOJOBS_SYNC_LONG_POLL_SECONDS": "10",
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "15",
    "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "30",
    "VIDEOJOBS_GHOSTCUT_POLL_CALLBACK_SECONDS": "120",
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "10",
}


@dataclass(frozen=True, slots=True)
class Stay:
    """One job at one vendor, by the vendor's own books. Unix seconds; `ended_at` is None while it goes on."""

    created_at: float
    ended_at: float | None
    polls: int


@dataclass
class Stand:
    """A running stack without a worker of its own: how many and which, each measurement says."""

    stack: Stack
    prefect: PrefectClient
    folder: Path
    _deployment: UUID
    _launcher: Launcher
    _programs: list[Process] = field(default_factory=list[Process])
    _launched: int = field(default=0)

    @property
    def store(self) -> ObjectStore:
        return store_of(self.stack.variables)

    def usage(self) -> dict[str, Usage]:
        return usage_of(self.stack.data)

    # ---- vendors ---------------------------------------------------------------------------------------------

    async def set_vendors_free(self) -> None:
        """No limits, and no work on the pictures."""
        for vendor, limit in (("sync_so", "concurrency_limit"), ("ghostcut", "points")):
            await self._emulator(vendor, "PATCH", "settings", {"pass_through": True, limit: NO_LIMIT})

    async def set_clock(self, seconds: float, *vendors: str) -> None:
        """How long the vendors (both, if none is named) work on a job."""
        for vendor in vendors or ("sync_so", "ghostcut"):
            await self._emulator(vendor, "PATCH", "settings", {"processing_seconds": seconds})

    async def stays(self, vendor: str) -> dict[str, Stay]:
        """By job."""
        books = await self._emulator(vendor, "GET", "books")
        return {
            _JOB.findall(json.dumps(entry["request"]))[0]: Stay(entry["created_at"], entry["ended_at"], entry["polls"])
            for entry in books["submissions"]
        }

    async def running(self, vendor: str, job_ids: Sequence[str]) -> int:
        """How many of these jobs are at a vendor now."""
        stays = await self.stays(vendor)
        return sum(job in stays and stays[job].ended_at is None for job in job_ids)

    async def calls(self, vendor: str) -> dict[str, int]:
        """How often each of the vendor's calls was made."""
        return dict(await self._emulator(vendor, "GET", "calls"))

    async def _emulator(self, vendor: str, method: str, page: str, body: Any = None) -> Any:
        async with httpx.AsyncClient(base_url=self.stack.address_of(vendor), timeout=60, trust_env=False) as http:
            return (await http.request(method, f"/_emulator/{page}", json=body)).raise_for_status().json()

    # ---- jobs ------------------------------------------------------------------------------------------------

    async def asked(self, job_ids: Iterable[str], *, areas: bool = True) -> dict[str, dict[str, Any]]:
        """What a client wants, by job. Everything lies in the bucket; each video under a name of its own, by which
        the vendors' books tell the jobs apart."""
        store, video = self.store, self.folder / VIDEO
        keys = {job_id: f"bench/jobs/{job_id}/{VIDEO}" for job_id in job_ids}
        with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
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
        """Start runs through the Prefect API, a few requests at once; gives when each was asked for (Unix seconds)."""
        few = asyncio.Semaphore(STARTED_AT_ONCE)
        began: dict[str, float] = {}
        asked = await self.asked(job_ids, areas=areas)

        async def start(job_id: str) -> None:
            async with few:
                began[job_id] = time.time()
                await self.prefect.create_flow_run_from_deployment(
                    self._deployment, parameters={**asked[job_id], "job_id": job_id}, name=job_id
                )

        await asyncio.gather(*(start(job_id) for job_id in job_ids))
        return began

    async def completed(self, job_ids: Sequence[str], patience: float) -> dict[str, float]:
        """When each job was completed (Unix seconds), by the ledger. Raises where one is not, or not in time."""

        async def all_over() -> bool:
            jobs = await self._jobs(job_ids)
            if wrong := [job for job in jobs if job.status == "failed" or job.parked_reason]:
                raise RuntimeError(f"{wrong[0].id}: {wrong[0].error_message or wrong[0].parked_reason}")
            return len([job for job in jobs if job.completed_at]) == len(job_ids)

        await self.until(all_over, patience)
        return {job.id: job.completed_at.timestamp() for job in await self._jobs(job_ids) if job.completed_at}

    async def _jobs(self, job_ids: Sequence[str]) -> Sequence[VideoJob]:
        async with AsyncSession(engine_for(self.stack.variables["DATABASE_URL"])) as session:
            return (await session.scalars(select(VideoJob).where(VideoJob.id.in_(job_ids)))).all()

    # ---- programs --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def workers(
        self,
        number: int = 1,
        kind: str = OURS,
        *,
        at_once: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        profile: Path | None = None,
    ) -> AsyncIterator[list[Path]]:
        """Workers that take the jobs, at most `at_once` each; gives the files in which our workers' lags are.

        `settings` are the product's, for these workers. `profile` is where a profile of one of ours goes.
        """
        pool = await self._pool(kind)
        lags = [self.folder / f"lags-{self._launched + index}.jsonl" for index in range(number)]
        limit = ("--limit", str(at_once)) if at_once else ()
        async with AsyncExitStack() as programs:
            for index, file in enumerate(lags):
                more = {**settings, "BENCH_LAG_FILE": str(file)} | (
                    {"BENCH_PROFILE_FILE": str(profile)} if profile else {}
                )
                module = "bench.watched_worker" if kind == OURS else "prefect"
                command = ("worker", "start", "--pool", pool, "--name", f"bench-{index}", *limit)
                program = await programs.enter_async_context(self.program("worker", module, *command, **more))
                await program.until(lambda program=program: _logged(program, "started!"), patience=120)  # type: ignore[misc]
            yield lags

    @asynccontextmanager
    async def program(self, part: str, module: str, *arguments: str, **variables: str) -> AsyncIterator[Process]:
        """A Python program with the stack's addresses, for as long as the context lasts; `part` is how it counts."""
        worker = {"PREFECT_WORKER_QUERY_SECONDS": "1", **MALLOC}  # as the stack's own worker
        known = {**self.stack.variables, **worker, **variables}
        self._launched += 1
        process = self._launcher.module(part, module, *arguments, variables=known)
        await process.start()
        self._programs.append(process)
        try:
            yield process
        finally:
            self._programs.remove(process)
            await process.stop(SIGTERM, patience=STOP_SECONDS)
            await process.kill()  # what it has started

    async def until(self, condition: Callable[[], Awaitable[bool]], patience: float) -> None:
        """Raises TimeoutError, and PartFailed as soon as one of the programs has ended by itself."""
        async with asyncio.timeout(patience):
            while not await condition():
                if ended := next((program for program in self._programs if program.ended_by_itself), None):
                    raise ended.failure_of_end()
                await asyncio.sleep(LOOK_SECONDS)

    async def _pool(self, kind: str) -> str:
        """The pool of this kind, from which the deployment's runs are taken from now on."""
        name = WORK_POOL if kind == OURS else STOCK_NAME
        if kind != OURS:
            await self.prefect.create_work_pool(WorkPoolCreate(name=name, type="process"), overwrite=True)
        await self.prefect.update_deployment(self._deployment, DeploymentUpdate(work_pool_name=name))
        return name


async def _logged(program: Process, text: str) -> bool:
    return program.has_logged(text)


@asynccontextmanager
async def open_stand(settings: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Stand]:
    """A fresh stack whose vendors hand the video through as it came, with these settings beside its own."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        stack = Stack(
            data=folder / "data",
            environment=NOTHING_GIVEN,
            wanted=["registration", "gateway"],
            processing_seconds=0,
            settings={**SETTINGS, **settings},
            keep=False,
        )
        async with stack, prefect_client(stack.variables) as prefect:
            deployment = (await prefect.read_deployment_by_name(DEPLOYMENT)).id
            await asyncio.to_thread(_make_inputs, store_of(stack.variables), folder / VIDEO)
            launcher = Launcher(Folder(stack.data), NOTHING_GIVEN)
            stand = Stand(stack, prefect, folder, deployment, launcher)
            await stand.set_vendors_free()
            watchdog = Watchdog(launcher)  # the stack's own one does not know our programs
            await watchdog.start()
            try:
                yield stand
            finally:
                await watchdog.finish()


def _make_inputs(store: ObjectStore, video: Path) -> None:
    """As little video as is still one: the work on it is not what is measured."""
    caption = Caption(**AREA, text="Dawn")
    write_clip(video, seconds=SECONDS, size=(320, 180), fps=Fraction(15), captions=[caption], sound=_SPEECH)
    store.put_file(SPEECH_KEY, _SPEECH, "audio/flac")
