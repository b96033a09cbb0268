"""Creates cases from the recorded points of jobs: every point that a job passes, at each pass."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tests.fault_injection.cases import (
    CHAINED,
    EVERY_POINT,
    EXTRA_CASES,
    HELD_JOBS,
    LAST_PASS,
    LECTURE,
    LIP_SYNC,
    OPERATOR_SCENARIOS,
    OUTAGES,
    STALLED,
    VENDOR_FAULTS,
    Case,
    Injection,
    Scenario,
)
from tests.fault_injection.harness import FaultHarness
from tests.fault_injection.report import print_progress
from tests.fault_injection.runner import CaseResult, run_case

SHORT_JOBS: Final = 6  # jobs in the short form
MAX_CONCURRENCY: Final = 14  # jobs: a killed one waits for half a minute until its missing heartbeats are noticed
WORKERS: Final = (
    MAX_CONCURRENCY + 2
)  # of one run each, so that a kill affects no other job; two more, since some are restarting
REPEATED_OPERATIONS: Final = (
    "db.renew_leases",
    "db.update_progress",
    "db.record_callback",
    "sync_so.get",
    "ghostcut.status",
    "stream.fetch",
)
"""Operations that run once per second, poll or chunk of a file, or in the API. Their number and times depend on the
machine, so only the first pass is tested."""
EVENT_DELAY_SECONDS: Final = 1000.0  # Prefect holds events back for 15 minutes, see docs/guarantees.md
LOST_FROM, LOST_UNTIL = "db.create_intent.after_commit", "db.record_accepted.after_commit"

RecordedPoints = dict[Scenario, list[str]]


async def run_full(harness: FaultHarness, numbers: Iterator[int]) -> list[CaseResult]:
    """Run all cases."""
    outages = await start_outages(harness, numbers)
    recorded = await record_points(harness, (*EVERY_POINT, *LAST_PASS, *OPERATOR_SCENARIOS), numbers)
    results = await run_cases(harness, build_cases(_points_by_scenario(recorded), numbers))
    return [*recorded, *results, *(await asyncio.gather(*outages))]


async def run_matching(harness: FaultHarness, numbers: Iterator[int], words: str) -> list[CaseResult]:
    """Run the scenarios whose names contain this text, to verify a fix."""
    recorded = await record_points(
        harness, [kind for kind in (*EVERY_POINT, *LAST_PASS, *OPERATOR_SCENARIOS) if words in kind.name], numbers
    )
    cases = [case for case in build_cases(_points_by_scenario(recorded), numbers) if words in case.scenario.name]
    outages = await start_outages(harness, numbers, words)
    return [*recorded, *(await run_cases(harness, cases)), *(await asyncio.gather(*outages))]


async def run_short(harness: FaultHarness, numbers: Iterator[int]) -> list[CaseResult]:
    """Test each point of a job once, with few jobs that are killed repeatedly."""
    recorded = await record_points(harness, (CHAINED, LECTURE), numbers)
    points = _points_by_scenario(recorded)
    cases = [
        *relay_cases(points, CHAINED, numbers, SHORT_JOBS),
        *relay_cases(points, LECTURE, numbers, 2),
        *lost_cases(points, CHAINED, numbers),
    ]
    return [*recorded, *(await run_cases(harness, cases))]


def _points_by_scenario(recorded: Iterable[CaseResult]) -> RecordedPoints:
    return {played.case.scenario: played.passed_points for played in recorded}


async def record_points(
    harness: FaultHarness, scenarios: Iterable[Scenario], numbers: Iterator[int]
) -> list[CaseResult]:
    """Run each scenario once, without faults."""
    return await run_cases(harness, [Case(next(numbers), kind) for kind in scenarios])


async def run_cases(harness: FaultHarness, cases: Iterable[Case]) -> list[CaseResult]:
    """Run all cases, some concurrently; results keep their order."""
    slots = asyncio.Semaphore(MAX_CONCURRENCY)

    async def run_one(case: Case) -> CaseResult:
        async with slots:
            played = await run_case(harness, case)
        print_progress(played)
        return played

    return await asyncio.gather(*map(run_one, cases))


def build_cases(recorded: RecordedPoints, numbers: Iterator[int]) -> list[Case]:
    """One job for each point of each scenario, and the extra cases."""
    injected = [
        Case(next(numbers), kind, (Injection(*step),))
        for kind in recorded
        for step in _injection_points(kind, recorded[kind])
    ]
    others = [*EXTRA_CASES, *((kind, ()) for kind in (*STALLED, *VENDOR_FAULTS))]
    return [*injected, *(Case(next(numbers), kind, tuple(strikes)) for kind, strikes in others)]


def _injection_points(scenario: Scenario, passed: list[str]) -> list[tuple[str, int]]:
    """The injections of a scenario: (point, nth)."""
    if scenario in LAST_PASS:
        return [
            (point, passed.count(point))
            for point in dict.fromkeys(passed)
            if operation_of(point) in LAST_PASS[scenario]
        ]
    if scenario in OPERATOR_SCENARIOS:
        return [(point, 1) for point in dict.fromkeys(passed) if operation_of(point) in OPERATOR_SCENARIOS[scenario]]
    # The only callback of a job with lip-sync alone may come before or after the job's end.
    until_end = [point for point in passed if scenario is not LIP_SYNC or operation_of(point) != "db.record_callback"]
    steps = [(point, until_end[: index + 1].count(point)) for index, point in enumerate(until_end)]
    return [(point, nth) for point, nth in steps if nth == 1 or operation_of(point) not in REPEATED_OPERATIONS]


def operation_of(point: str) -> str:
    return point.rpartition(".")[0]


def _loses_submission(passed: list[str], step: tuple[str, int]) -> bool:
    """Whether a kill there leaves GhostCut's submission unresolved: after its intent and before its acceptance."""
    if "ghostcut.submit.before_call" not in passed:
        return False
    call = passed.index("ghostcut.submit.before_call")
    first = max(index for index, point in enumerate(passed[:call]) if point == LOST_FROM)
    last = next((index for index, point in enumerate(passed) if index > call and point == LOST_UNTIL), first)
    point, nth = step
    at = [index for index, name in enumerate(passed) if name == point][nth - 1]
    return first <= at < last


def relay_cases(recorded: RecordedPoints, scenario: Scenario, numbers: Iterator[int], runners: int) -> list[Case]:
    """Few jobs that are killed at one point after the other: each point once, to save time."""
    passed = recorded[scenario]
    points = [point for point in dict.fromkeys(passed) if operation_of(point) not in REPEATED_OPERATIONS]
    resolvable = [point for point in points if not _loses_submission(passed, (point, 1))]
    share = -(-len(resolvable) // runners)
    groups = [resolvable[start : start + share] for start in range(0, len(resolvable), share)]
    return [Case(next(numbers), scenario, tuple(map(Injection, leg))) for leg in groups]


def lost_cases(recorded: RecordedPoints, scenario: Scenario, numbers: Iterator[int]) -> list[Case]:
    """One job for each point between GhostCut's intent and its acceptance: there, the outcome has to be looked up."""
    passed = recorded[scenario]
    steps = [(point, passed[: index + 1].count(point)) for index, point in enumerate(passed)]
    return [Case(next(numbers), scenario, (Injection(*step),)) for step in steps if _loses_submission(passed, step)]


async def start_outages(
    harness: FaultHarness, numbers: Iterator[int], words: str = ""
) -> list[asyncio.Task[CaseResult]]:
    """For each outage whose name contains `words`: hold all its jobs, then kill their services at once.

    Gives the recovering jobs. Recovery may take a quarter of an hour, in which other cases can run.
    """
    recovering: list[asyncio.Task[CaseResult]] = []
    for parts in OUTAGES:
        name = f"{' and '.join(parts).replace('_', ' ')} lost"
        if words not in name:
            continue
        late = EVENT_DELAY_SECONDS if "prefect_server" in parts else 0
        cases = [
            Case(
                next(numbers),
                replace(kind, name=f"{kind.name}; {name}", extra_seconds=late),
                (Injection(point, 1, "hang"),),
            )
            for kind, point in HELD_JOBS
        ]
        jobs = [asyncio.create_task(run_case(harness, case)) for case in cases]
        await asyncio.gather(*(harness.wait_until_injected(case.job_id) for case in cases))
        await asyncio.gather(*map(harness.kill_service, parts))
        for part in reversed(parts):
            await harness.try_restart(part)
        recovering += jobs
    return recovering
