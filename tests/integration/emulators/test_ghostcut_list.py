"""GhostCut emulator: the list of all works, and its faults."""

import time
from typing import Any

import httpx
import pytest

from tests.support.ghostcut_emulator import GhostCutEmulatorClient

LIST_PATHS = ("work/list", "work/status")


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def since() -> int:
    """A time after which no other test has created a work."""
    time.sleep(0.002)
    return now_ms()


def query_list(ghostcut: GhostCutEmulatorClient, since: int, path: str = "work/list", **more: Any) -> dict[str, Any]:
    body = {"createTimeGreaterThanOrEqualTo": since, "pageSize": 2000, **more}
    return dict(ghostcut.post_signed(path, body).json())


def listed_ids(ghostcut: GhostCutEmulatorClient, since: int, **more: Any) -> list[int]:
    return [row["id"] for row in query_list(ghostcut, since, **more)["body"]["content"]]


@pytest.mark.parametrize("at", LIST_PATHS)
def test_the_list_shows_works_newest_first_with_their_status(
    ghostcut: GhostCutEmulatorClient, since: int, at: str
) -> None:
    bodies = [ghostcut.make_body(urls=[f"{ghostcut.files}/short.mp4?attempt={number}"]) for number in range(3)]
    works = [ghostcut.run_to_end(body)["id"] for body in bodies]
    whole = query_list(ghostcut, since, at)
    assert whole["count"] == 3
    assert whole["body"]["content"] == [ghostcut.status(work)[0] for work in reversed(works)]
    assert [row["url"] for row in whole["body"]["content"]] == [body["urls"][0] for body in reversed(bodies)]


def test_pages_count_from_zero_and_report_the_total(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    works = [ghostcut.submit_and_get_id(ghostcut.make_body()) for _ in range(5)]
    pages = [query_list(ghostcut, since, page=number, pageSize=2) for number in range(4)]
    assert [page["count"] for page in pages] == [5, 5, 5, 5]
    sizes = [[row["id"] for row in page["body"]["content"]] for page in pages]
    assert sizes == [works[:2:-1], works[2:0:-1], works[:1], []]


def test_time_filters_are_half_open_in_milliseconds(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    first = ghostcut.submit_and_get_id(ghostcut.make_body())
    time.sleep(0.002)
    between = now_ms()
    second = ghostcut.submit_and_get_id(ghostcut.make_body())
    assert listed_ids(ghostcut, since, createTimeLessThan=between) == [first]
    assert listed_ids(ghostcut, between) == [second]
    assert listed_ids(ghostcut, now_ms() + 1000) == []


def test_work_ids_override_other_filters(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    first, second = ghostcut.submit_and_get_id(ghostcut.make_body()), ghostcut.submit_and_get_id(ghostcut.make_body())
    project = ghostcut.status(second)[0]["idProject"]
    asked = query_list(ghostcut, since, "work/status", idWorks=[first], idProjects=[project])
    assert [row["id"] for row in asked["body"]["content"]] == [first]


@pytest.mark.parametrize(
    "wrong", [{"pageSize": 2001}, {"pageSize": 0}, {"page": -1}, {"page": "0"}, {"createTimeLessThan": "now"}]
)
def test_invalid_list_parameters_are_rejected(
    ghostcut: GhostCutEmulatorClient, since: int, wrong: dict[str, Any]
) -> None:
    assert query_list(ghostcut, since, **wrong)["code"] == 4001


def test_the_list_requires_a_valid_signature(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    assert ghostcut.post_signed("work/list", {}, AppSign="0" * 32).json()["code"] == 2004


@pytest.mark.parametrize("at", LIST_PATHS)
def test_a_list_fault_leaves_the_status_by_id_working(ghostcut: GhostCutEmulatorClient, since: int, at: str) -> None:
    work = ghostcut.submit_and_get_id(ghostcut.make_body())
    ghostcut.program.inject_fault("code", code=4001, on="list")
    assert len(ghostcut.status(work)) == 1
    assert query_list(ghostcut, since, at)["code"] == 4001
    assert query_list(ghostcut, since, at)["code"] == 1000


def test_a_list_request_can_be_reset(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    ghostcut.program.inject_fault("reset", on="list")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        query_list(ghostcut, since)


@pytest.mark.parametrize(("effect", "shown"), [("no_url", ""), ("bare_url", "{files}/short.mp4")])
def test_a_work_can_be_listed_without_its_source_url(
    ghostcut: GhostCutEmulatorClient, since: int, effect: str, shown: str
) -> None:
    url = f"{ghostcut.files}/short.mp4?signed=yes"
    work, other = (
        ghostcut.submit_and_get_id(ghostcut.make_body(urls=[url], names=[name])) for name in ("ours", "theirs")
    )
    ghostcut.program.inject_fault("listed", effect=effect, match='"ours"')
    rows = {row["id"]: row["url"] for row in query_list(ghostcut, since)["body"]["content"]}
    assert rows == {work: shown.format(files=ghostcut.files), other: url}
    assert ghostcut.status(work)[0]["url"] == url


def test_one_work_can_be_listed_late(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    late, other = (ghostcut.submit_and_get_id(ghostcut.make_body(names=[name])) for name in ("late", "in time"))
    ghostcut.program.inject_fault("listed", effect="late", seconds=3600, match='"late"', times=1)
    assert listed_ids(ghostcut, since) == [other]
    ghostcut.program.inject_fault("listed", effect="late", seconds=0.001, match='"late"', times=1)
    assert listed_ids(ghostcut, since) == [other, late]


def test_list_lag_hides_works_from_the_list_but_not_by_id(ghostcut: GhostCutEmulatorClient, since: int) -> None:
    with ghostcut.program.temporary_settings(list_lag_seconds=3600):
        work = ghostcut.submit_and_get_id(ghostcut.make_body())
        assert (listed_ids(ghostcut, since), len(ghostcut.status(work))) == ([], 1)
    assert listed_ids(ghostcut, since) == [work]
