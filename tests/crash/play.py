"""Plays a case: starts the job, strikes, waits until it has come home by itself, and collects what there is to see."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from tasks.run_again import DEPLOYMENTS
from tests.crash.bench import Bench, outcome_of
from tests.crash.cases import Cancelled, Case, CleanedUp, Decided, Outcome, Strike
from videojobs.ledger import JobEvent, Submission, VideoJob
from videojobs.states import Work

HOME_SECONDS: Final = 240.0  # for a job, and for each strike: ten at best, and a machine may have much else to do
SWEEPS: Final = 3  # clean-ups, at most: one that was killed may have left the job to the next one
WAITING: Final = "sync_so.get.before_call"  # the point at which a job that is to be cancelled waits for its vendor


@dataclass
class Played:
    """A case and what was found afterwards."""

    case: Case
    seconds: float = 0.0
    passed: list[str] = field(default_factory=list)
    struck: list[Strike] = field(default_factory=list)
    job: VideoJob | None = None
    runs: list[FlowRun] = field(default_factory=list)
    unfinished: list[FlowRun] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    paid: tuple[int, int] = (0, 0)
    failures: list[str] = field(default_factory=list)  # of the final video
    troubles: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.job)


async def play(bench: Bench, case: Case) -> Played:
    """From start to rest. Nobody helps but the product itself."""
    began = time.monotonic()
    played = Played(case)
    run = await begin(bench, case)
    striking = asyncio.create_task(_go_on(bench, played, run))
    await _rest(bench, played, striking)
    played.seconds = time.monotonic() - began
    await look(bench, played)
    return played


async def begin(bench: Bench, case: Case) -> UUID:
    """Start the job, with what goes wrong at its vendors, and with its first strike armed."""
    kind = case.kind
    for vendor, fault in kind.faults:
        await bench.desk.fault(vendor, job_id=f"/{case.job_id}/", **fault)
    first = kind.then.by if isinstance(kind.then, CleanedUp) else None
    bench.arm(case.job_id, first or (case.strikes[0] if case.strikes and kind.then is None else None))
    is_lecture = kind.work is Work.LECTURE
    request = bench.lecture() if is_lecture else bench.request(areas=kind.areas, large=kind.large)
    parameters = {**request, **kind.changes, "job_id": case.job_id}
    return await bench.start(DEPLOYMENTS[kind.work], parameters, name=case.job_id)


async def _go_on(bench: Bench, played: Played, run: UUID) -> None:
    """What comes after the start: the operator's or the clean-up's part, and the further strikes."""
    case, then = played.case, played.case.kind.then
    match then:
        case None:
            await _strike(bench, played)
        case Decided():
            await bench.at_rest(case.job_id, HOME_SECONDS)
            await _decide(bench, played, then)
        case Cancelled():
            await bench.until_passed(case.job_id, WAITING, 1)
            bench.arm(case.job_id, *case.strikes[:1])
            await bench.desk.prefect.set_flow_run_state(run, Cancelling())
            await _strike(bench, played)
        case CleanedUp():
            await _clean_up(bench, played, then, run)


async def _strike(bench: Bench, played: Played) -> None:
    """One strike after the other, each armed as soon as the one before it is over; the first one is armed."""
    strikes = played.case.strikes
    for number, strike in enumerate(strikes, start=1):
        await bench.until_struck(played.case.job_id)
        played.struck.append(strike)
        bench.arm(played.case.job_id, *strikes[number : number + 1])


async def _struck_during(bench: Bench, played: Played, what: Awaitable[None]) -> None:
    striking = asyncio.create_task(_strike(bench, played))
    await what
    striking.cancel()


async def _decide(bench: Bench, played: Played, decided: Decided) -> None:
    job_id = played.case.job_id
    more: dict[str, Any] = {"job_id": job_id, "decision": decided.decision, "reason": "a test", **decided.more}
    if decided.decision == "adopt":
        works = await bench.desk.paid("ghostcut", f"/{job_id}/")
        assert len(works) == 1, f"{job_id} came to rest otherwise than by a lost answer: {await bench.job(job_id)}"
        more["vendor_id"] = str(works[0]["id"])
    bench.arm(job_id, *played.case.strikes[:1])
    run = await bench.start("decide/decide", more)
    await _struck_during(bench, played, bench.ended(run))


async def _clean_up(bench: Bench, played: Played, cleaned: CleanedUp, run: UUID) -> None:
    """The job is stranded, or over; then as much time passes as a clean-up waits for, and one comes."""
    case = played.case
    if cleaned.by is None:
        await bench.at_rest(case.job_id, HOME_SECONDS)
    else:
        await bench.until_struck(case.job_id)
        played.struck.append(cleaned.by)
    if cleaned.after_days:
        await bench.age_doubt(case.job_id)
    bench.arm(case.job_id, *case.strikes[:1])
    await _struck_during(bench, played, _sweep(bench, case))


async def _sweep(bench: Bench, case: Case) -> None:
    """One clean-up after the other, as on their schedule, until the job has come home."""
    config = {"dry_run": False, "batch_size": 500, "purge": {"user_ids": ["a-test"], "older_than_days": 1}}
    for _ in range(SWEEPS):
        await bench.until_nobody_holds(case.job_id)
        await bench.age(case.job_id)
        await bench.ended(await bench.start("cleanup/cleanup", {"config": config}))
        sight = await bench.at_rest(case.job_id, HOME_SECONDS, [case.kind.ends], hung=hangs(case))
        if sight.outcome == case.kind.ends:
            return


async def _rest(bench: Bench, played: Played, striking: asyncio.Task[None]) -> None:
    """Wait for all that the case does, then for the job to come to rest."""
    case = played.case
    patience = case.kind.late + HOME_SECONDS * (1 + len(case.strikes) + (case.kind.then is not None))
    if case.kind.then is not None:
        await asyncio.wait([striking], timeout=patience)
    sight = await bench.at_rest(case.job_id, patience, [case.kind.ends], hung=hangs(case))
    if striking.done():
        striking.result()  # its error, if it ended in one
    striking.cancel()
    played.unfinished = [] if hangs(case) else sight.runs


def hangs(case: Case) -> bool:
    """Whether a run of it hangs, and so stays where it is until somebody ends its process."""
    then = case.kind.then
    return isinstance(then, CleanedUp) and then.by is not None and then.by.action == "hang"


async def look(bench: Bench, played: Played) -> None:
    """Everybody's books, and the final video."""
    job_id = played.case.job_id
    played.job = await bench.job(job_id)
    played.runs = await bench.runs(job_id)
    played.passed = bench.passed(job_id)
    paid = [await bench.desk.paid(vendor, f"/{job_id}/") for vendor in ("sync_so", "ghostcut")]
    played.paid = (len(paid[0]), len(paid[1]))
    if played.job is None:
        played.objects = await bench.objects(job_id)
        return
    played.events = list(await bench.desk.ledger.events(job_id))
    played.submissions = list(await bench.desk.ledger.submissions(job_id))
    if played.outcome == "completed" and played.case.kind.work is Work.LECTURE:
        played.failures = await bench.documented(played.job, played.events)
    elif played.outcome == "completed":
        played.failures = await bench.measured(played.job)
