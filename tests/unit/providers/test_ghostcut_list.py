"""GhostCut's list of works: read completely, or rejected as a list."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.scripted_vendor import ScriptedReply, ScriptedVendor, ghostcut_envelope
from videojobs.errors import VendorRateLimited, VendorRejected, VendorUnavailable
from videojobs.providers.ghostcut.client import MAX_PAGES, PAGE_SIZE
from videojobs.providers.ghostcut.schemas import WorkStatus

SINCE = datetime(2026, 11, 29, 12, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=2)


def work_rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number, "url": f"https://media.test/{number}.mp4", "processStatus": 0} for number in numbers]


def page_with_envelope_count(count: int, *numbers: int) -> httpx.Response:
    """A page with its count in the envelope, as in the vendor's samples."""
    return httpx.Response(200, json={"code": 1000, "body": {"content": work_rows(*numbers)}, "count": count})


async def list_from_replies(*replies: ScriptedReply) -> list[WorkStatus]:
    return await list_from(ScriptedVendor(*replies))


async def list_from(vendor: ScriptedVendor) -> list[WorkStatus]:
    return [row async for page in vendor.ghostcut().works_between(SINCE, UNTIL) for row in page]


async def test_the_list_uses_milliseconds_and_pages_from_zero() -> None:
    vendor = ScriptedVendor(page_with_envelope_count(1, 7), page_with_envelope_count(1))
    [work] = await list_from(vendor)
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
    [
        page_with_envelope_count(5),
        ghostcut_envelope({"content": [], "count": 5}),
        ghostcut_envelope({"content": []}),
        page_with_envelope_count(0),
    ],
    ids=["counted in the envelope", "counted in the body", "not counted", "counted by page"],
)
async def test_the_list_is_read_completely_whatever_the_page_size(last: httpx.Response) -> None:
    works = await list_from_replies(
        page_with_envelope_count(2, 9, 8), page_with_envelope_count(2, 7, 6), page_with_envelope_count(1, 5), last
    )
    assert [work.id for work in works] == ["9", "8", "7", "6", "5"]


async def test_a_list_without_any_works_is_a_list() -> None:
    assert await list_from_replies(page_with_envelope_count(0)) == []


async def test_works_shifted_to_the_next_page_are_listed_once() -> None:
    works = await list_from_replies(
        page_with_envelope_count(4, 9, 8, 7),
        page_with_envelope_count(5, 7, 6),
        page_with_envelope_count(5, 10),
        page_with_envelope_count(5),
    )
    assert sorted(work.id for work in works) == ["10", "6", "7", "8", "9"]


@pytest.mark.parametrize(
    "replies",
    [
        [page_with_envelope_count(3, 9, 8), page_with_envelope_count(3)],
        [page_with_envelope_count(3, 9, 8, 7), page_with_envelope_count(3, 9, 8, 7)],
        [page_with_envelope_count(3, 9, 8), httpx.Response(503)],
        [page_with_envelope_count(3, 9, 8), httpx.ReadTimeout("")],
        [page_with_envelope_count(3, 9, 8), ghostcut_envelope(code=9999)],
        [ghostcut_envelope({"content": None})],
        [ghostcut_envelope({})],
        [ghostcut_envelope(None)],
        [ghostcut_envelope({"content": [{"url": "a work without an id"}]})],
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
async def test_an_incomplete_list_is_retryable(replies: list[ScriptedReply]) -> None:
    with pytest.raises(VendorUnavailable):
        await list_from_replies(*replies)


async def test_an_endless_list_is_aborted() -> None:
    def next_page(request: httpx.Request) -> httpx.Response:
        return page_with_envelope_count(1_000_000, json.loads(request.content)["page"] + 1)

    vendor = ScriptedVendor(next_page)
    with pytest.raises(VendorUnavailable, match="more than 50 pages"):
        await list_from(vendor)
    assert len(vendor.requests) == MAX_PAGES


async def test_a_refused_or_throttled_list_raises_its_own_error() -> None:
    with pytest.raises(VendorRejected, match="4001"):
        await list_from_replies(ghostcut_envelope(code=4001, msg="idWorks missing"))
    with pytest.raises(VendorRateLimited):
        await list_from_replies(page_with_envelope_count(3, 9, 8), ghostcut_envelope(code=3006))


async def test_a_vendor_that_repeats_one_page_is_not_queried_further() -> None:
    vendor = ScriptedVendor(page_with_envelope_count(5, 9, 8))
    with pytest.raises(VendorUnavailable, match="page 1 of a list repeats"):
        await list_from(vendor)
    assert len(vendor.requests) == 2
