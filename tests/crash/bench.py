"""The stack that the crash tests break: faults armed for one job each, and a look at everybody's books."""

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

from deployments.environment import NOTHING_GIVEN
from deployments.local.errors import PartFailed
from deployments.local.prefect_client import prefect_client
from deployments.local.stack import Stack
from tasks.decisions import Decision
from tests.crash.cases import Outcome, Strike
from tests.crash.documents import documents_wrong
from tests.lecture.course import Course
from tests.stack.conftest import Desk
from tests.stack.short_clip import request, write_inputs, write_large
from tests.worker.crew import Crew, begun
from videojobs.errors import LedgerUnavailable
from videojobs.ledger import JobEvent, UnknownJob, VideoJob, engine_for

WORKERS: Final = "worker"  # the name of all of them as a part that can be lost
LOOK_SECONDS: Final = 0.5  # between two looks at all jobs: each costs the Prefect server one request
LECTURE_SECONDS: Final = 12.0  # two slides
LARGE: Final = 24 * 1024**2  # bytes: three of the parts in which large objects are stored
SETTINGS: Final = {
    "VIDEOJOBS_LEASE_SECONDS": "3",
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.2",
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "0.3",
    "VIDEOJOBS_GHOSTCUT_POLL_CALLBACK_SECONDS": "5",
    "VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS": "15",  # a call may take seconds to arrive where much goes on
    "VIDEOJOBS_SILENCE_SECONDS": "31",  # the least that it takes
    "VIDEOJOBS_WORKER_HEARTBEAT_SECONDS": "8",
    "VIDEOJOBS_WORKER_SWEEP_SECONDS": "10",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "VIDEOJOBS_SLOTS_SYNC_SO": "1000",  # a killed run's place is free again after minutes only: not what is tested here
    "VIDEOJOBS_SLOTS_GHOSTCUT": "1000",
    "VIDEOJOBS_ALLOW_PRIVATE_INPUTS": "true",  # some inputs are links, and lead to this machine
    "VIDEOJOBS_RECOVERY_ATTEMPTS": "1000",  # one job may be killed a few dozen times here
}
SURE, STRANDED = 2, 50  # looks at a job at rest that is as wanted, and at one that is not
ENDS: Final[Container[Outcome]] = ("completed", "failed", "cancelled", "parked")
NAMES: Final = ("", *(f"{decision}: " for decision in get_args(Decision)))  # of runs, before the job's id
_FINAL: Final = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED)  # not Crashed: it is run again


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a job at one moment: its row, and those of its runs that go on or will."""

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
_AGE: Final = text("""
    UPDATE video_jobs SET created_at = created_at - interval '2 days', updated_at = updated_at - interval '2 days',
        completed_at = completed_at - interval '2 days'
    WHERE id = :id RETURNING true
""")
_AGE_DOUBT: Final = text("""
    UPDATE video_submissions SET intended_at = intended_at - interval '2 days',
        body_written_at = body_written_at - interval '2 days' WHERE job_id = :id RETURNING true
""")
_NOTHING_YET: Final = Sight(None, [])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it; for how long, the caller knows."""
    while not await condition():  # noqa: ASYNC110  # other programs bring it about
        await asyncio.sleep(LOOK_SECONDS / 2)


class Bench:
    """Starts jobs with faults armed, and watches them until nothing goes on any more."""

    def __init__(self, desk: Desk, crew: Crew, faults: Path, sources: Mapping[str, str]) -> None:
        self.desk = desk
        self.crew = crew
        self._faults = faults
        self._sources = sources
        self._sights: dict[str, Sight] = {}
        self._deployments: dict[str, UUID] = {}

    # ---- faults ------------------------------------------------------------------------------------------

    def arm(self, job_id: str, strike: Strike | None = None) -> None:
        """Strike the job when it passes the point for the nth time from now on; without a strike, only record."""
        wanted = strike or Strike("", 0)
        nth = self.passed(job_id).count(wanted.point) + wanted.nth
        new = self._faults / f"{job_id}.new"
        new.write_text(json.dumps({"point": wanted.point, "nth": nth, "action": wanted.action}))
        new.replace(self._faults / f"{job_id}.json")

    def passed(self, job_id: str) -> list[str]:
        """The fault points that the job has passed, in order."""
        log = self._faults / f"{job_id}.passed"
        return log.read_text().splitlines() if log.exists() else []

    async def until_struck(self, job_id: str) -> None:
        """Wait until the job has been struck at the point that it is armed for."""
        armed = json.loads((self._faults / f"{job_id}.json").read_text())
        await self.until_passed(job_id, armed["point"], armed["nth"])

    async def until_passed(self, job_id: str, point: str, times: int) -> None:
        """Wait until the job has passed a point so often."""

        async def enough() -> bool:
            return self.passed(job_id).count(point) >= times

        await until(enough)

    # ---- runs --------------------------------------------------------------------------------------------

    def request(self, *, areas: bool, large: bool = False) -> dict[str, Any]:
        """The parameters of a job without its id. The video comes through a link, the sound out of the store."""
        return request(self._sources["large" if large else "video"], self._sources["audio"], areas=areas)

    def lecture(self) -> dict[str, Any]:
        """The parameters of a lecture without its id."""
        return {"video": self._sources["lecture"], "user_id": "ada"}

    async def start(self, deployment: str, parameters: Mapping[str, Any], *, name: str | None = None) -> UUID:
        """A run of a deployment, started through the Prefect API."""
        if deployment not in self._deployments:
            self._deployments[deployment] = (await self.desk.prefect.read_deployment_by_name(deployment)).id
        run = await self.desk.prefect.create_flow_run_from_deployment(
            self._deployments[deployment], parameters=dict(parameters), name=name
        )
        return run.id

    async def ended(self, run: UUID) -> None:
        """Wait until a run is over, and will not be run again."""

        async def over() -> bool:
            return (await self.desk.prefect.read_flow_run(run)).state_type in _FINAL

        await until(over)

    async def at_rest(
        self, job_id: str, patience: float, wanted: Container[Outcome] = ENDS, *, hung: bool = False
    ) -> Sight:
        """What is seen of the job when no run of it goes on; after `patience` seconds, what is seen then.

        Where that is not what is wanted, something more may come: a callback, or a part that is started again.
        Where a run is `hung`, it does not count.
        """
        sight = self._sights[job_id] = _NOTHING_YET
        deadline = time.monotonic() + patience
        still = 0
        while still < (SURE if sight.outcome in wanted else STRANDED) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS / 2)
            if self._sights[job_id] is not sight:
                sight = self._sights[job_id]
                goes_on = sight.outcome not in wanted if hung else bool(sight.runs)
                still = 0 if goes_on else still + 1
        return self._sights.pop(job_id)

    async def watch(self) -> None:
        """Looks at all jobs that somebody waits for, again and again."""
        while True:
            wanted = list(self._sights)
            try:
                runs = await self.unfinished()
                seen = {job_id: Sight(await self.job(job_id), runs.get(job_id, [])) for job_id in wanted}
            except (httpx.HTTPError, LedgerUnavailable):  # they are being killed, too
                seen = {}
            self._sights |= {job_id: sight for job_id, sight in seen.items() if job_id in self._sights}
            await asyncio.sleep(LOOK_SECONDS)

    async def unfinished(self) -> dict[str, list[FlowRun]]:
        """All runs that go on or will, by the id of the job that they are about."""
        wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(_FINAL))))
        found: dict[str, list[FlowRun]] = {}
        for run in await self.desk.prefect.read_flow_runs(flow_run_filter=wanted):
            found.setdefault(str(run.parameters.get("job_id")), []).append(run)
        return found

    async def runs(self, job_id: str) -> list[FlowRun]:
        """The runs of a job, and of decisions about it."""
        names = [f"{prefix}{job_id}" for prefix in NAMES]
        return await self.desk.prefect.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=names)))

    async def job(self, job_id: str) -> VideoJob | None:
        try:
            return await self.desk.ledger.job(job_id)
        except UnknownJob:
            return None

    async def until_nobody_holds(self, job_id: str) -> None:
        """Wait until the lease of a job is free, or has run out."""

        async def is_free() -> bool:
            return await self._sql(_IS_HELD, job_id) is not True

        await until(is_free)

    async def age(self, job_id: str) -> None:
        """As if what happened to the job had happened two days before."""
        await self._sql(_AGE, job_id)

    async def age_doubt(self, job_id: str) -> None:
        """As if its submission had been in doubt for two days, which is longer than a vendor keeps keys."""
        await self._sql(_AGE_DOUBT, job_id)

    async def _sql(self, query: TextClause, job_id: str) -> Any:
        async with engine_for(self.desk.stack.variables["DATABASE_URL"]).begin() as connection:
            return await connection.scalar(query, {"id": job_id})

    async def books(self, vendor: str) -> list[dict[str, Any]]:
        """All that a vendor was ever paid for, on its own books."""
        return await self.desk.paid(vendor, "")

    async def objects(self, job_id: str) -> list[str]:
        """What the bucket holds of a job, whoever's it is."""
        keys = await asyncio.to_thread(lambda: list(self.desk.store.keys("users/")))
        return [key for key in keys if f"/{job_id}/" in key]

    async def measured(self, job: VideoJob) -> list[str]:
        """What is wrong with the final video: its length, its sound, the caption in it, all the rest."""
        video = await self.desk.final_video(job)
        return await asyncio.to_thread(lambda: self.desk.measure(job, video).failures())

    async def documented(self, job: VideoJob, events: Sequence[JobEvent]) -> list[str]:
        """What is wrong with a lecture: its documents, or a stage that was done again after it was on the books."""
        return await asyncio.to_thread(lambda: documents_wrong(self.desk.store, job, events))

    # ---- parts -------------------------------------------------------------------------------------------

    async def lose(self, part: str) -> None:
        """End a part (all workers are one) with SIGKILL."""
        if part == WORKERS:
            await asyncio.gather(*(worker.kill() for worker in self.crew.workers))
        else:
            await self.desk.stack.kill(part)

    async def bring_back(self, part: str) -> bool:
        """Start a part that was lost. False where it cannot start: it may need another one that is away."""
        try:
            if part == WORKERS:
                await asyncio.gather(*map(begun, self.crew.workers))
            else:
                await self.desk.stack.restart(part)
        except PartFailed:
            return False
        return True

    async def keep(self, name: str) -> None:
        """As a process manager would: a part is started again when it has ended by itself."""
        [part] = [part for part in self.desk.stack.parts if part.name == name]
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if part.process is not None and part.process.ended_by_itself:
                await self.bring_back(name)


@asynccontextmanager
async def open_bench(
    folder: Path, *, workers: int, options: Sequence[str] = (), changes: Mapping[str, str] | None = None
) -> AsyncIterator[Bench]:
    """A stack of its own with so many workers and short timings, and inputs in its store; `changes` are settings."""
    faults, scratch = folder / "faults", folder / "scratch"
    faults.mkdir()
    scratch.mkdir()
    sample = write_inputs(folder / "inputs")
    settings = {**SETTINGS, "VIDEOJOBS_FAULTS": str(faults), **(changes or {})}
    stack = Stack(
        data=folder / "data",
        environment=NOTHING_GIVEN,
        wanted=["registration", "gateway"],
        processing_seconds=0.3,
        settings=settings,
        keep=False,
    )
    async with stack, prefect_client(stack.variables) as prefect:
        desk = Desk(stack, sample, sample, prefect, folder)
        crew = Crew(desk, more={"TMPDIR": str(scratch)})
        bench = Bench(desk, crew, faults, await asyncio.to_thread(_stored, desk))
        helpers: list[asyncio.Task[None]] = []
        try:
            for number in range(workers):  # one after the other: each needs a core for seconds
                await crew.worker(f"worker-{number}", *options)
            helpers = [asyncio.create_task(work) for work in (bench.watch(), crew.keep(), bench.keep("gateway"))]
            yield bench
        finally:
            for helper in helpers:
                helper.cancel()
            await crew.dismiss()


def _stored(desk: Desk) -> dict[str, str]:
    """The inputs, where a client would have them: a video behind a link, a sound in the bucket."""
    large = write_large(desk.folder, desk.sample.video, LARGE)
    lecture = Course(size=(320, 180), camera=False, until=LECTURE_SECONDS).write(desk.folder / "lecture.mp4")
    day = 86_400
    for name, file in (("video", desk.sample.video), ("large", large), ("lecture", lecture)):
        desk.store.put_file(f"samples/{name}.mp4", file, "video/mp4")
    desk.store.put_file("samples/audio.flac", desk.sample.audio["audio-2"], "audio/flac")
    return {
        "video": desk.store.presign("samples/video.mp4", day),
        "lecture": desk.store.presign("samples/lecture.mp4", day),
        "large": desk.store.presign("samples/large.mp4", day),
        "audio": desk.store.uri("samples/audio.flac"),
    }
