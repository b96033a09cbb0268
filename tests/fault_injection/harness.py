"""The stack for the fault injection tests: faults armed for one job each, and access to all records."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args
from uuid import UUID

import httpx
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from sqlalchemy import TextClause, text

from deployments.local.stack.errors import ServiceFailed
from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from tasks.operator_actions import OperatorAction
from tests.acceptance.conftest import StackDriver
from tests.fault_injection.cases import Injection, Outcome
from tests.fault_injection.documents import document_defects
from tests.support.sample_lecture import SampleLecture
from tests.support.short_clip import make_short_request, write_padded_video, write_short_inputs
from tests.support.worker_pool import WorkerPool, start_and_wait
from videojobs.db import JobEvent, VideoJob, get_engine
from videojobs.errors import DatabaseUnavailable, UnknownJob

ALL_WORKERS: Final = "worker"  # the name of all of them as one service
POLL_INTERVAL: Final = 0.5  # between two observations of all jobs: each costs the Prefect server one request
LECTURE_SECONDS: Final = 12.0  # two slides
LARGE_BYTES: Final = 24 * 1024**2  # three parts of a multipart upload
SETTINGS: Final = {
    "VIDEOJOBS_LEASE_SECONDS": "3",
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.2",
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "0.3",
    "VIDEOJOBS_GHOSTCUT_POLL_CALLBACK_SECONDS": "5",
    "VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS": "15",  # a call may take seconds to arrive on a busy machine
    "VIDEOJOBS_HEARTBEAT_TIMEOUT_SECONDS": "31",  # the minimum
    "VIDEOJOBS_WORKER_HEARTBEAT_SECONDS": "8",
    "VIDEOJOBS_WORKER_ORPHAN_SCAN_INTERVAL_SECONDS": "10",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "VIDEOJOBS_SLOTS_SYNC_SO": "1000",  # a killed run's slot is free only after minutes: not tested here
    "VIDEOJOBS_SLOTS_GHOSTCUT": "1000",
    "VIDEOJOBS_ALLOW_PRIVATE_INPUTS": "true",  # some inputs are links to this machine
    "VIDEOJOBS_RECOVERY_ATTEMPTS": "1000",  # one job may be killed a few dozen times here
}
STABLE_CHECKS, STRANDED_CHECKS = 2, 50  # observations of an idle job with an expected outcome, and of one without
FINAL_OUTCOMES: Final[Container[Outcome]] = ("completed", "failed", "cancelled", "parked")
RUN_NAME_PREFIXES: Final = (
    "",
    *(f"{decision}: " for decision in get_args(OperatorAction)),
)  # of runs, before the job's id
_FINAL_STATES: Final = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED)  # not Crashed: it is restarted


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a job at one moment: its row, and its unfinished runs."""

    job: VideoJob | None
    runs: list[FlowRun]

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.job)


def outcome_of(job: VideoJob | None) -> Outcome:
    if job is None:
        return "no row"
    return "parked" if job.parked_reason is not None else cast(Outcome, job.status)


_IS_HELD: Final = text("SELECT lease_until >= clock_timestamp() FROM video_jobs WHERE id = :id")
_BACKDATE_JOB: Final = text("""
    UPDATE video_jobs SET created_at = created_at - interval '2 days', updated_at = updated_at - interval '2 days',
        completed_at = completed_at - interval '2 days'
    WHERE id = :id RETURNING true
""")
_BACKDATE_SUBMISSION: Final = text("""
    UPDATE video_submissions SET intended_at = intended_at - interval '2 days',
        body_written_at = body_written_at - interval '2 days' WHERE job_id = :id RETURNING true
""")
_NO_OBSERVATION: Final = Observation(None, [])


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for the condition; the caller sets the timeout."""
    while not await condition():  # noqa: ASYNC110  # other processes cause the change
        await asyncio.sleep(POLL_INTERVAL / 2)


class FaultHarness:
    """Starts jobs with armed faults, and watches them until they are idle."""

    def __init__(self, driver: StackDriver, worker_pool: WorkerPool, faults: Path, sources: Mapping[str, str]) -> None:
        self.driver = driver
        self.worker_pool = worker_pool
        self._faults = faults
        self._sources = sources
        self._observations: dict[str, Observation] = {}
        self._deployments: dict[str, UUID] = {}

    # ---- faults ------------------------------------------------------------------------------------------

    def arm_fault(self, job_id: str, injection: Injection | None = None) -> None:
        """Inject the fault when the job passes the point for the nth time from now on; without one, only record."""
        target = injection or Injection("", 0)
        nth = self.passed_points(job_id).count(target.point) + target.nth
        new = self._faults / f"{job_id}.new"
        new.write_text(json.dumps({"point": target.point, "nth": nth, "action": target.action}))
        new.replace(self._faults / f"{job_id}.json")

    def passed_points(self, job_id: str) -> list[str]:
        """The fault points that the job has passed, in order."""
        log = self._faults / f"{job_id}.passed"
        return log.read_text().splitlines() if log.exists() else []

    async def wait_until_injected(self, job_id: str) -> None:
        """Wait until the armed fault of the job has been injected."""
        armed = json.loads((self._faults / f"{job_id}.json").read_text())
        await self.wait_until_passed(job_id, armed["point"], armed["nth"])

    async def wait_until_passed(self, job_id: str, point: str, times: int) -> None:
        """Wait until the job has passed a point this number of times."""

        async def enough() -> bool:
            return self.passed_points(job_id).count(point) >= times

        await wait_until(enough)

    # ---- runs --------------------------------------------------------------------------------------------

    def job_request(self, *, has_areas: bool, is_large: bool = False) -> dict[str, Any]:
        """The parameters of a job without its id. The video is a link, the sound is an object in the store."""
        return make_short_request(
            self._sources["large" if is_large else "video"], self._sources["audio"], areas=has_areas
        )

    def lecture_request(self) -> dict[str, Any]:
        """The parameters of a lecture without its id."""
        return {"video": self._sources["lecture"], "user_id": "ada"}

    async def start_run(self, deployment: str, parameters: Mapping[str, Any], *, name: str | None = None) -> UUID:
        """Start a run of a deployment through the Prefect API."""
        if deployment not in self._deployments:
            self._deployments[deployment] = (await self.driver.prefect.read_deployment_by_name(deployment)).id
        run = await self.driver.prefect.create_flow_run_from_deployment(
            self._deployments[deployment], parameters=dict(parameters), name=name
        )
        return run.id

    async def wait_for_run(self, run: UUID) -> None:
        """Wait until a run has ended and will not be restarted."""

        async def is_final() -> bool:
            return (await self.driver.prefect.read_flow_run(run)).state_type in _FINAL_STATES

        await wait_until(is_final)

    async def wait_until_idle(
        self, job_id: str, timeout: float, expected: Container[Outcome] = FINAL_OUTCOMES, *, ignore_runs: bool = False
    ) -> Observation:
        """Wait until the job has no unfinished run, for `timeout` seconds at most; gives the last observation.

        If the outcome is not in `expected`, wait longer: a callback may come, or a service may restart. With
        `ignore_runs`, runs do not count: they may hang.
        """
        observation = self._observations[job_id] = _NO_OBSERVATION
        deadline = time.monotonic() + timeout
        stable_checks = 0
        while (
            stable_checks < (STABLE_CHECKS if observation.outcome in expected else STRANDED_CHECKS)
            and time.monotonic() < deadline
        ):
            await asyncio.sleep(POLL_INTERVAL / 2)
            if self._observations[job_id] is not observation:
                observation = self._observations[job_id]
                goes_on = observation.outcome not in expected if ignore_runs else bool(observation.runs)
                stable_checks = 0 if goes_on else stable_checks + 1
        return self._observations.pop(job_id)

    async def observe_jobs(self) -> None:
        """Observe all jobs with waiters, again and again."""
        while True:
            wanted = list(self._observations)
            try:
                runs = await self.unfinished_runs()
                seen = {job_id: Observation(await self.find_job(job_id), runs.get(job_id, [])) for job_id in wanted}
            except (httpx.HTTPError, DatabaseUnavailable):  # they may be killed as well
                seen = {}
            self._observations |= {job_id: sight for job_id, sight in seen.items() if job_id in self._observations}
            await asyncio.sleep(POLL_INTERVAL)

    async def unfinished_runs(self) -> dict[str, list[FlowRun]]:
        """All unfinished runs, by the id of their job."""
        run_filter = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(_FINAL_STATES))))
        found: dict[str, list[FlowRun]] = {}
        for run in await self.driver.prefect.read_flow_runs(flow_run_filter=run_filter):
            found.setdefault(str(run.parameters.get("job_id")), []).append(run)
        return found

    async def runs_of(self, job_id: str) -> list[FlowRun]:
        """The runs of a job, and of decisions about it."""
        names = [f"{prefix}{job_id}" for prefix in RUN_NAME_PREFIXES]
        return await self.driver.prefect.read_flow_runs(
            flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=names))
        )

    async def find_job(self, job_id: str) -> VideoJob | None:
        try:
            return await self.driver.repository.get_job(job_id)
        except UnknownJob:
            return None

    async def wait_until_lease_free(self, job_id: str) -> None:
        """Wait until the job's lease is free or expired."""

        async def is_free() -> bool:
            return await self._execute(_IS_HELD, job_id) is not True

        await wait_until(is_free)

    async def backdate_job(self, job_id: str) -> None:
        """Move all of the job's times two days into the past."""
        await self._execute(_BACKDATE_JOB, job_id)

    async def backdate_submission(self, job_id: str) -> None:
        """Make its submission's outcome unknown for two days, longer than a vendor keeps idempotency keys."""
        await self._execute(_BACKDATE_SUBMISSION, job_id)

    async def _execute(self, query: TextClause, job_id: str) -> Any:
        async with get_engine(self.driver.stack.variables["DATABASE_URL"]).begin() as connection:
            return await connection.scalar(query, {"id": job_id})

    async def vendor_submissions(self, vendor: str) -> list[dict[str, Any]]:
        """All paid submissions in the vendor's own records."""
        return await self.driver.vendor_submissions(vendor, "")

    async def objects_of(self, job_id: str) -> list[str]:
        """The job's objects in the bucket, whichever user owns them."""
        keys = await asyncio.to_thread(lambda: list(self.driver.store.list_keys("users/")))
        return [key for key in keys if f"/{job_id}/" in key]

    async def video_defects(self, job: VideoJob) -> list[str]:
        """Defects of the final video: its length, its sound, its caption, everything else."""
        video = await self.driver.download_result(job)
        return await asyncio.to_thread(lambda: self.driver.measure_quality(job, video).failures())

    async def lecture_defects(self, job: VideoJob, events: Sequence[JobEvent]) -> list[str]:
        """Defects of a lecture: in its documents, or a stage repeated after it was recorded."""
        return await asyncio.to_thread(lambda: document_defects(self.driver.store, job, events))

    # ---- services ----------------------------------------------------------------------------------------

    async def kill_service(self, service: str) -> None:
        """Kill a service with SIGKILL (all workers count as one)."""
        if service == ALL_WORKERS:
            await asyncio.gather(*(worker.kill() for worker in self.worker_pool.workers))
        else:
            await self.driver.stack.kill(service)

    async def try_restart(self, service: str) -> bool:
        """Restart a killed service. False if it cannot start: it may need another one that is down."""
        try:
            if service == ALL_WORKERS:
                await asyncio.gather(*map(start_and_wait, self.worker_pool.workers))
            else:
                await self.driver.stack.restart(service)
        except ServiceFailed:
            return False
        return True

    async def keep_running(self, name: str) -> None:
        """Restart services that have ended by themselves, as a process manager does."""
        [part] = [part for part in self.driver.stack.services if part.name == name]
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            if part.process is not None and part.process.exited_unexpectedly:
                await self.try_restart(name)


@asynccontextmanager
async def open_fault_harness(
    folder: Path, *, workers: int, options: Sequence[str] = (), settings_overrides: Mapping[str, str] | None = None
) -> AsyncIterator[FaultHarness]:
    """A separate stack with this number of workers, short timings, these settings, and inputs in its store."""
    faults, scratch = folder / "faults", folder / "scratch"
    faults.mkdir()
    scratch.mkdir()
    sample = write_short_inputs(folder / "inputs")
    settings = {**SETTINGS, "VIDEOJOBS_FAULT_DIR": str(faults), **(settings_overrides or {})}
    stack = Stack(
        data=folder / "data",
        environment=EMPTY_ENVIRONMENT,
        services=["registration", "api"],
        processing_seconds=0.3,
        settings=settings,
        keep_data=False,
    )
    async with stack, prefect_client(stack.variables) as prefect:
        driver = StackDriver(stack, sample, sample, prefect, folder)
        worker_pool = WorkerPool(driver, extra_variables={"TMPDIR": str(scratch)})
        harness = FaultHarness(driver, worker_pool, faults, await asyncio.to_thread(_upload_inputs, driver))
        helpers: list[asyncio.Task[None]] = []
        try:
            for number in range(workers):  # one after the other: each needs a core for seconds
                await worker_pool.start_worker(f"worker-{number}", *options)
            helpers = [
                asyncio.create_task(work)
                for work in (
                    harness.observe_jobs(),
                    worker_pool.restart_exited_workers(),
                    harness.keep_running("api"),
                )
            ]
            yield harness
        finally:
            for helper in helpers:
                helper.cancel()
            await worker_pool.kill_all()


def _upload_inputs(driver: StackDriver) -> dict[str, str]:
    """Put the inputs where clients have them: a video behind a link, a sound in the bucket."""
    large = write_padded_video(driver.folder, driver.sample.video, LARGE_BYTES)
    lecture = SampleLecture(size=(320, 180), camera=False, end_seconds=LECTURE_SECONDS).write(
        driver.folder / "lecture.mp4"
    )
    day = 86_400
    for name, file in (("video", driver.sample.video), ("large", large), ("lecture", lecture)):
        driver.store.put_file(f"samples/{name}.mp4", file, "video/mp4")
    driver.store.put_file("samples/audio.flac", driver.sample.audio["audio-2"], "audio/flac")
    return {
        "video": driver.store.presign("samples/video.mp4", day),
        "lecture": driver.store.presign("samples/lecture.mp4", day),
        "large": driver.store.presign("samples/large.mp4", day),
        "audio": driver.store.uri("samples/audio.flac"),
    }
