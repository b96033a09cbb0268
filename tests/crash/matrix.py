"""From recorded ways of jobs to cases: every point that a job passes, as often as it passes it."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from tests.crash.bench import Bench
from tests.crash.cases import (
    BOTH,
    CHOSEN,
    DECIDED,
    HELD,
    LAST,
    LECTURE,
    OUTAGES,
    STOPPED,
    TROUBLES,
    WHOLE,
    Case,
    Kind,
    Strike,
)
from tests.crash.play import Played, play
from tests.crash.table import tell

RELAYS: Final = 6  # jobs in the short form
AT_ONCE: Final = 14  # jobs: a struck one waits for half a minute until its silence is noticed
WORKERS: Final = AT_ONCE + 2  # of one run each, so that a strike meets no other job; and some are being started again
POLLED: Final = ("ledger.renew", "ledger.tell", "ledger.hear", "sync_so.get", "ghostcut.status", "stream.fetch")
"""What is passed once a second, a poll or a piece of a file, or by the front door: how often and when depends on the
machine, so only the first time is tried."""
HELD_BACK_SECONDS: Final = 1000.0  # Prefect holds events back for 15 minutes, see docs/guarantees.md
LOST_FROM, LOST_UNTIL = "ledger.intend.after_commit", "ledger.accept.after_commit"

Recorded = dict[Kind, list[str]]


async def play_full(bench: Bench, numbers: Iterator[int]) -> list[Played]:
    """All that there is to try."""
    lost = await begin_outages(bench, numbers)
    recorded = await record(bench, (*WHOLE, *LAST, *DECIDED), numbers)
    played = await play_all(bench, every_case(_ways(recorded), numbers))
    return [*recorded, *played, *(await asyncio.gather(*lost))]


async def play_some(bench: Bench, numbers: Iterator[int], words: str) -> list[Played]:
    """The kinds of jobs whose names have these words in them, to see what has been mended."""
    recorded = await record(bench, [kind for kind in (*WHOLE, *LAST, *DECIDED) if words in kind.name], numbers)
    cases = [case for case in every_case(_ways(recorded), numbers) if words in case.kind.name]
    lost = await begin_outages(bench, numbers, words)
    return [*recorded, *(await play_all(bench, cases)), *(await asyncio.gather(*lost))]


async def play_short(bench: Bench, numbers: Iterator[int]) -> list[Played]:
    """Each point of a job once, by few jobs that are killed again and again."""
    recorded = await record(bench, (BOTH, LECTURE), numbers)
    ways = _ways(recorded)
    cases = [*relays(ways, BOTH, numbers, RELAYS), *relays(ways, LECTURE, numbers, 2), *lost_cases(ways, BOTH, numbers)]
    return [*recorded, *(await play_all(bench, cases))]


def _ways(recorded: Iterable[Played]) -> Recorded:
    return {played.case.kind: played.passed for played in recorded}


async def record(bench: Bench, kinds: Iterable[Kind], numbers: Iterator[int]) -> list[Played]:
    """Each kind of job once, undisturbed."""
    return await play_all(bench, [Case(next(numbers), kind) for kind in kinds])


async def play_all(bench: Bench, cases: Iterable[Case]) -> list[Played]:
    """All of them, some at once; in their own order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Played:
        async with places:
            played = await play(bench, case)
        tell(played)
        return played

    return await asyncio.gather(*map(one, cases))


def every_case(recorded: Recorded, numbers: Iterator[int]) -> list[Case]:
    """One job for each point of each kind, and all that is tried beside."""
    struck = [Case(next(numbers), kind, (Strike(*step),)) for kind in recorded for step in _steps(kind, recorded[kind])]
    beside = [*CHOSEN, *((kind, ()) for kind in (*STOPPED, *TROUBLES))]
    return [*struck, *(Case(next(numbers), kind, tuple(strikes)) for kind, strikes in beside)]


def _steps(kind: Kind, passed: list[str]) -> list[tuple[str, int]]:
    """Where a kind is struck: (point, nth)."""
    if kind in LAST:
        return [(point, passed.count(point)) for point in dict.fromkeys(passed) if verb_of(point) in LAST[kind]]
    if kind in DECIDED:
        return [(point, 1) for point in dict.fromkeys(passed) if verb_of(point) in DECIDED[kind]]
    steps = [(point, passed[: index + 1].count(point)) for index, point in enumerate(passed)]
    return [(point, nth) for point, nth in steps if nth == 1 or verb_of(point) not in POLLED]


def verb_of(point: str) -> str:
    return point.rpartition(".")[0]


def _is_lost(passed: list[str], step: tuple[str, int]) -> bool:
    """Whether a kill there leaves GhostCut's submission in doubt: after its intent, and before its acceptance."""
    if "ghostcut.submit.before_call" not in passed:
        return False
    call = passed.index("ghostcut.submit.before_call")
    first = max(index for index, point in enumerate(passed[:call]) if point == LOST_FROM)
    last = next((index for index, point in enumerate(passed) if index > call and point == LOST_UNTIL), first)
    point, nth = step
    at = [index for index, name in enumerate(passed) if name == point][nth - 1]
    return first <= at < last


def relays(recorded: Recorded, kind: Kind, numbers: Iterator[int], runners: int) -> list[Case]:
    """Few jobs that are killed at one point after the other: each point once, where time is short."""
    passed = recorded[kind]
    points = [point for point in dict.fromkeys(passed) if verb_of(point) not in POLLED]
    surely = [point for point in points if not _is_lost(passed, (point, 1))]
    share = -(-len(surely) // runners)
    legs = [surely[start : start + share] for start in range(0, len(surely), share)]
    return [Case(next(numbers), kind, tuple(map(Strike, leg))) for leg in legs]


def lost_cases(recorded: Recorded, kind: Kind, numbers: Iterator[int]) -> list[Case]:
    """The points between GhostCut's intent and its acceptance, of a job each: what became of it is asked there."""
    passed = recorded[kind]
    steps = [(point, passed[: index + 1].count(point)) for index, point in enumerate(passed)]
    return [Case(next(numbers), kind, (Strike(*step),)) for step in steps if _is_lost(passed, step)]


async def begin_outages(bench: Bench, numbers: Iterator[int], words: str = "") -> list[asyncio.Task[Played]]:
    """For each of the outages with these words: all held jobs at once, and then the parts that run them are gone.

    Gives the jobs on their way home: they may take a quarter of an hour for it, in which others can be played.
    """
    homeward: list[asyncio.Task[Played]] = []
    for parts in OUTAGES:
        name = f"{' and '.join(parts).replace('_', ' ')} lost"
        if words not in name:
            continue
        late = HELD_BACK_SECONDS if "prefect_server" in parts else 0
        cases = [
            Case(next(numbers), replace(kind, name=f"{kind.name}; {name}", late=late), (Strike(point, 1, "hang"),))
            for kind, point in HELD
        ]
        jobs = [asyncio.create_task(play(bench, case)) for case in cases]
        await asyncio.gather(*(bench.until_struck(case.job_id) for case in cases))
        await asyncio.gather(*map(bench.lose, parts))
        for part in reversed(parts):
            await bench.bring_back(part)
        homeward += jobs
    return homeward
