"""A job is struck wherever it can be, and comes home by itself, paid for once.

`CRASH_CASES=short` is for a CI with little time: every point of a job with areas once, and few jobs for it. Other words
choose the kinds of jobs whose names have them, and write their rows of the page. Only all cases together look for what
is left behind.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.crash import matrix, table
from tests.crash.bench import Bench, open_bench
from tests.crash.cases import ELSEWHERE
from tests.crash.leftovers import leftovers
from tests.crash.play import Played
from tests.crash.verdict import troubles
from videojobs.faults import POINTS

CHOSEN: Final = os.environ.get("CRASH_CASES", "")
PAGE: Final = Path(__file__).parents[2] / "docs/crash-matrix.md"

pytestmark = [pytest.mark.crash, pytest.mark.timeout(2 * 3600)]


@dataclass(frozen=True)
class Results:
    """All jobs that were played, and what was left behind."""

    played: list[Played]
    left: list[str]


@pytest.fixture(scope="session")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("crash")
    async with open_bench(folder, workers=matrix.WORKERS, options=["--limit", "1"]) as bench:
        yield bench


@pytest.fixture(scope="session")
async def results(bench: Bench) -> Results:
    numbers = count(1)
    match CHOSEN:
        case "":
            played = await matrix.play_full(bench, numbers)
        case "short":
            played = await matrix.play_short(bench, numbers)
        case words:
            played = await matrix.play_some(bench, numbers, words)
    for each in played:
        each.troubles = troubles(each)
    found = Results(played, [] if CHOSEN else await leftovers(bench))
    if CHOSEN != "short":
        table.write(found.played, PAGE, complete=not CHOSEN)
    table.show(found.played)
    return found


async def test_every_job_comes_home_as_promised(results: Results) -> None:
    assert {played.case.job_id: played.troubles for played in results.played if played.troubles} == {}


@pytest.mark.skipif(bool(CHOSEN), reason="what is free again after minutes is not waited for")
async def test_nothing_is_left_behind(results: Results) -> None:
    assert results.left == []


@pytest.mark.skipif(bool(CHOSEN), reason="strikes a part of them only")
async def test_every_fault_point_is_struck_or_says_why_not(results: Results) -> None:
    struck = {strike.point for played in results.played for strike in played.struck}
    assert set(POINTS) - struck == set(ELSEWHERE)
