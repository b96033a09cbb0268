"""A fault at every fault point of a job: the job recovers by itself, and is paid for once.

`FAULT_TEST_CASES=short` is for a CI with little time: it tests every point of a job with areas once, with few jobs.
Other values select the scenarios whose names contain them, and update their rows of the page. Only a full run looks
for leftovers.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.fault_injection import matrix, report
from tests.fault_injection.assertions import find_problems
from tests.fault_injection.cases import TESTED_ELSEWHERE
from tests.fault_injection.harness import FaultHarness, open_fault_harness
from tests.fault_injection.leak_checks import find_leaks
from tests.fault_injection.runner import CaseResult
from videojobs.testing.fault_injection import FAULT_POINTS

SELECTED_CASES: Final = os.environ.get("FAULT_TEST_CASES", "")
PAGE: Final = Path(__file__).parents[2] / "docs/fault-matrix.md"

pytestmark = [pytest.mark.fault_injection, pytest.mark.timeout(2 * 3600)]


@dataclass(frozen=True)
class Results:
    """All results, and what was left behind."""

    cases: list[CaseResult]
    leaks: list[str]


@pytest.fixture(scope="session")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultHarness]:
    folder = tmp_path_factory.mktemp("faults")
    async with open_fault_harness(folder, workers=matrix.WORKERS, options=["--limit", "1"]) as harness:
        yield harness


@pytest.fixture(scope="session")
async def results(harness: FaultHarness) -> Results:
    numbers = count(1)
    match SELECTED_CASES:
        case "":
            cases = await matrix.run_full(harness, numbers)
        case "short":
            cases = await matrix.run_short(harness, numbers)
        case words:
            cases = await matrix.run_matching(harness, numbers, words)
    for each in cases:
        each.problems += find_problems(each)
    found = Results(cases, [] if SELECTED_CASES else await find_leaks(harness))
    if SELECTED_CASES != "short":
        report.write_page(found.cases, PAGE, complete=not SELECTED_CASES)
    report.print_table(found.cases)
    return found


async def test_every_job_recovers_as_expected(results: Results) -> None:
    assert {played.case.job_id: played.problems for played in results.cases if played.problems} == {}


@pytest.mark.skipif(bool(SELECTED_CASES), reason="what is free again after minutes is not waited for")
async def test_no_resources_are_leaked(results: Results) -> None:
    assert results.leaks == []


@pytest.mark.skipif(bool(SELECTED_CASES), reason="strikes a part of them only")
async def test_every_fault_point_is_injected_or_exempted(results: Results) -> None:
    struck = {strike.point for played in results.cases for strike in played.injected}
    assert set(FAULT_POINTS) - struck == set(TESTED_ELSEWHERE)
