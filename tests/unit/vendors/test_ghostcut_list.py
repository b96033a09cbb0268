"""GhostCut's list of works: read in full, or not taken for a list at all."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.unit.vendors.scripted import Reply, ScriptedVendor, envelope
from videojobs.errors import VendorRefused, VendorThrottled, VendorUnavailable
from videojobs.vendors.ghostcut.client import MOST_PAGES, PAGE_SIZE
from videojobs.vendors.ghostcut.wire import WorkStatus

SINCE = datetime(2026, 11, 29, 12, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=2)


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number, "url": f"https://media.test/{number}.mp4", "processStatus": 0} for number in numbers]


def counted(count: int, *numbers: int) -> httpx.Response:
    """A page that counts in the envelope, where the vendor's samples have it."""
    return httpx.Response(200, json={"code": 1000, "body": {"content": rows(*numbers)}, "count": count})


async def listed(*replies: Reply) -> list[WorkStatus]:
    return await listed_by(ScriptedVendor(*replies))


async def listed_by(vendor: ScriptedVendor) -> list[WorkStatus]:
    return [row async for page in vendor.ghostcut().works_between(SINCE, UNTIL) for row in page]


async def test_the_time_is_asked_for_in_milliseconds_and_the_pages_from_zero() -> None:
    vendor = ScriptedVendor(counted(1, 7), counted(1))
    [work] = await listed_by(vendor)
    assert (work.id, work.url) == ("7", "https://media.test/7.mp4")
    assert {request.url.path for request in vendor.requests} == {"/v-w-c/gateway/ve/work/list"}
    assert [json.loads(request.content) for request in vendor.requests] == [
        {
            "page": page,
            "pageSize": PAGE_SIZE,
            "createTimeGreaterThanOrEqualTo": 1795953600000,
            "createTimeLessThan": 1796126400000,
        }
        for page in (0, 1)
    ]


@pytest.mark.parametrize(
    "last",
    [counted(5), envelope({"content": [], "count": 5}), envelope({"content": []}), counted(0)],
    ids=["counted in the envelope", "counted in the body", "not counted", "counted by page"],
)
async def test_it_is_read_to_its_end_however_small_the_pages_are(last: httpx.Response) -> None:
    works = await listed(counted(2, 9, 8), counted(2, 7, 6), counted(1, 5), last)
    assert [work.id for work in works] == ["9", "8", "7", "6", "5"]


async def test_a_list_without_any_works_is_a_list() -> None:
    assert await listed(counted(0)) == []


async def test_works_that_a_new_one_has_moved_to_the_next_page_are_given_once() -> None:
    works = await listed(counted(4, 9, 8, 7), counted(5, 7, 6), counted(5, 10), counted(5))
    assert sorted(work.id for work in works) == ["10", "6", "7", "8", "9"]


@pytest.mark.parametrize(
    "replies",
    [
        [counted(3, 9, 8), counted(3)],
        [counted(3, 9, 8, 7), counted(3, 9, 8, 7)],
        [counted(3, 9, 8), httpx.Response(503)],
        [counted(3, 9, 8), httpx.ReadTimeout("")],
        [counted(3, 9, 8), envelope(code=9999)],
        [envelope({"content": None})],
        [envelope({})],
        [envelope(None)],
        [envelope({"content": [{"url": "a work without an id"}]})],
    ],
    ids=[
        "fewer than it counts",
        "the same page again",
        "a page is missing",
        "a page that does not come",
        "an error on a page",
        "no works",
        "nothing",
        "no body",
        "unreadable",
    ],
)
async def test_a_list_that_is_not_whole_proves_nothing_and_can_be_asked_for_again(replies: list[Reply]) -> None:
    with pytest.raises(VendorUnavailable):
        await listed(*replies)


async def test_a_list_without_end_is_not_read_for_ever() -> None:
    def another(request: httpx.Request) -> httpx.Response:
        return counted(1_000_000, json.loads(request.content)["page"] + 1)

    vendor = ScriptedVendor(another)
    with pytest.raises(VendorUnavailable, match="more than 50 pages"):
        await listed_by(vendor)
    assert len(vendor.requests) == MOST_PAGES


async def test_a_list_that_is_refused_or_put_off_says_so() -> None:
    with pytest.raises(VendorRefused, match="4001"):
        await listed(envelope(code=4001, msg="idWorks missing"))
    with pytest.raises(VendorThrottled):
        await listed(counted(3, 9, 8), envelope(code=3006))


async def test_a_vendor_that_gives_the_same_page_for_each_is_not_asked_for_more_of_them() -> None:
    vendor = ScriptedVendor(counted(5, 9, 8))
    with pytest.raises(VendorUnavailable, match="page 1 of a list again shows"):
        await listed_by(vendor)
    assert len(vendor.requests) == 2
