"""GhostCut emulator: the list of all works, and what can go wrong with it."""

import time
from typing import Any

import httpx
import pytest

from tests.emulators.ghostcut_desk import GhostCutDesk

ADDRESSES = ("work/list", "work/status")


def milliseconds() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def since() -> int:
    """A moment with no work of another test after it."""
    time.sleep(0.002)
    return milliseconds()


def answer(ghostcut: GhostCutDesk, since: int, at: str = "work/list", **more: Any) -> dict[str, Any]:
    body = {"createTimeGreaterThanOrEqualTo": since, "pageSize": 2000, **more}
    return dict(ghostcut.post(at, body).json())


def listed(ghostcut: GhostCutDesk, since: int, **more: Any) -> list[int]:
    return [row["id"] for row in answer(ghostcut, since, **more)["body"]["content"]]


@pytest.mark.parametrize("at", ADDRESSES)
def test_works_are_listed_the_newest_first_as_their_status_shows_them(
    ghostcut: GhostCutDesk, since: int, at: str
) -> None:
    bodies = [ghostcut.body(urls=[f"{ghostcut.files}/short.mp4?attempt={number}"]) for number in range(3)]
    works = [ghostcut.ended(body)["id"] for body in bodies]
    whole = answer(ghostcut, since, at)
    assert whole["count"] == 3
    assert whole["body"]["content"] == [ghostcut.status(work)[0] for work in reversed(works)]
    assert [row["url"] for row in whole["body"]["content"]] == [body["urls"][0] for body in reversed(bodies)]


def test_pages_count_from_zero_and_the_count_is_of_all_of_them(ghostcut: GhostCutDesk, since: int) -> None:
    works = [ghostcut.accepted(ghostcut.body()) for _ in range(5)]
    pages = [answer(ghostcut, since, page=number, pageSize=2) for number in range(4)]
    assert [page["count"] for page in pages] == [5, 5, 5, 5]
    sizes = [[row["id"] for row in page["body"]["content"]] for page in pages]
    assert sizes == [works[:2:-1], works[2:0:-1], works[:1], []]


def test_a_time_is_from_its_first_millisecond_up_to_its_last(ghostcut: GhostCutDesk, since: int) -> None:
    first = ghostcut.accepted(ghostcut.body())
    time.sleep(0.002)
    between = milliseconds()
    second = ghostcut.accepted(ghostcut.body())
    assert listed(ghostcut, since, createTimeLessThan=between) == [first]
    assert listed(ghostcut, between) == [second]
    assert listed(ghostcut, milliseconds() + 1000) == []


def test_ids_of_works_win_over_all_else(ghostcut: GhostCutDesk, since: int) -> None:
    first, second = ghostcut.accepted(ghostcut.body()), ghostcut.accepted(ghostcut.body())
    project = ghostcut.status(second)[0]["idProject"]
    asked = answer(ghostcut, since, "work/status", idWorks=[first], idProjects=[project])
    assert [row["id"] for row in asked["body"]["content"]] == [first]


@pytest.mark.parametrize(
    "wrong", [{"pageSize": 2001}, {"pageSize": 0}, {"page": -1}, {"page": "0"}, {"createTimeLessThan": "now"}]
)
def test_a_page_that_the_vendor_does_not_have_is_refused(
    ghostcut: GhostCutDesk, since: int, wrong: dict[str, Any]
) -> None:
    assert answer(ghostcut, since, **wrong)["code"] == 4001


def test_a_list_is_signed_for_like_all_else(ghostcut: GhostCutDesk, since: int) -> None:
    assert ghostcut.post("work/list", {}, AppSign="0" * 32).json()["code"] == 2004


@pytest.mark.parametrize("at", ADDRESSES)
def test_a_list_can_be_refused_while_the_status_of_works_is_not(ghostcut: GhostCutDesk, since: int, at: str) -> None:
    work = ghostcut.accepted(ghostcut.body())
    ghostcut.program.arm("code", code=4001, on="list")
    assert len(ghostcut.status(work)) == 1
    assert answer(ghostcut, since, at)["code"] == 4001
    assert answer(ghostcut, since, at)["code"] == 1000


def test_a_list_can_be_cut_off(ghostcut: GhostCutDesk, since: int) -> None:
    ghostcut.program.arm("reset", on="list")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        answer(ghostcut, since)


@pytest.mark.parametrize(("effect", "shown"), [("no_url", ""), ("bare_url", "{files}/short.mp4")])
def test_a_work_can_be_listed_without_its_link(ghostcut: GhostCutDesk, since: int, effect: str, shown: str) -> None:
    url = f"{ghostcut.files}/short.mp4?signed=yes"
    work, other = (ghostcut.accepted(ghostcut.body(urls=[url], names=[name])) for name in ("ours", "theirs"))
    ghostcut.program.arm("listed", effect=effect, match='"ours"')
    rows = {row["id"]: row["url"] for row in answer(ghostcut, since)["body"]["content"]}
    assert rows == {work: shown.format(files=ghostcut.files), other: url}
    assert ghostcut.status(work)[0]["url"] == url


def test_one_work_can_be_listed_late(ghostcut: GhostCutDesk, since: int) -> None:
    late, other = (ghostcut.accepted(ghostcut.body(names=[name])) for name in ("late", "in time"))
    ghostcut.program.arm("listed", effect="late", seconds=3600, match='"late"', times=1)
    assert listed(ghostcut, since) == [other]
    ghostcut.program.arm("listed", effect="late", seconds=0.001, match='"late"', times=1)
    assert listed(ghostcut, since) == [other, late]


def test_all_works_can_be_listed_late_and_are_shown_by_their_ids_at_once(ghostcut: GhostCutDesk, since: int) -> None:
    with ghostcut.program.settings(list_lag_seconds=3600):
        work = ghostcut.accepted(ghostcut.body())
        assert (listed(ghostcut, since), len(ghostcut.status(work))) == ([], 1)
    assert listed(ghostcut, since) == [work]
