"""The page of a job over real HTTP, on a real Postgres: what a person reads, and what it never gives away."""

import html
import re
from urllib.parse import parse_qs, urlsplit

from tests.gateway.conftest import OpenDoor
from tests.gateway.visitors import FACTS, browser, opened_job, taken_up, text
from videojobs.ledger.tokens import Scope
from videojobs.media.store import sync_result_key
from videojobs.states import LIP_SYNC_DONE, Point


async def test_a_jobs_page_tells_what_happened_in_words_and_what_it_costs(door: OpenDoor) -> None:
    job = await opened_job(door, areas=1)
    lease = await taken_up(door, job)
    await door.ledger.advance(lease, Point.UPLOADED, facts=FACTS)
    cost = {"lip_sync": {"usd": "0.45", "seconds": 9, "basis": "price list"}}
    await door.ledger.estimate(lease, {**cost, "text_removal": {"points": "1", "seconds": 9, "basis": "price list"}})
    await door.ledger.tell(lease, *LIP_SYNC_DONE)
    async with await browser(door, "ada") as http:
        seen = await text(http, f"/jobs/{job}")
    assert "In progress 50 %" in seen
    assert seen.index("job was taken in") < seen.index("checked and stored")
    assert "Lip-sync 0.45 USD" in seen
    assert "Together 0.45 USD and 1 point" in seen
    assert lease.run_id not in seen, "the numbers of runs are nobody's business"
    assert "Cancel" in seen
    assert "Try again" not in seen


async def test_a_refused_request_lists_what_to_mend(door: OpenDoor) -> None:
    job = "job-refused-page"
    error = "The request has 2 problems: segments[0].endTime: must be later; mend it; video: is empty"
    await door.ledger.open_refused(job, user_id="ada", display_name=None, error=error, actor="test")
    async with await browser(door, "ada") as http:
        answer = await http.get(f"/jobs/{job}")
    assert re.findall(r"<li>(.*?)</li>", answer.text) == [
        "segments[0].endTime: must be later; mend it",
        "video: is empty",
    ]
    assert "Nothing was bought" in answer.text
    assert "Try again" not in answer.text


async def test_a_failed_text_removal_offers_what_there_is_and_another_try(door: OpenDoor) -> None:
    job = await opened_job(door, areas=1)
    lease = await taken_up(door, job)
    await door.ledger.advance(lease, Point.UPLOADED, facts=FACTS)
    await door.ledger.advance(lease, Point.LIP_SYNC_SUBMITTED)
    await door.ledger.advance(lease, Point.LIP_SYNC_STORED)
    await door.ledger.fail(lease, "Text inpainting failed: not enough points", fallback_url="s3://videojobs/x.mp4")
    async with await browser(door, "ada") as http:
        seen = await text(http, f"/jobs/{job}")
        assert "The text could not be removed" in seen
        assert "Not enough points." in seen
        assert "Download (lip-sync only)" in seen
        answer = await http.post(f"/jobs/{job}/retry")
        assert answer.status_code == 303
        assert "The job goes on" in await text(http, answer.headers["Location"])
    assert job in door.prefect.retried


async def test_a_download_is_saved_under_the_jobs_name_as_far_as_a_header_can_hold_it(door: OpenDoor) -> None:
    job = await opened_job(door, name='Ädä\'s "talk"/../1')
    lease = await taken_up(door, job)
    for point in (Point.UPLOADED, Point.LIP_SYNC_SUBMITTED, Point.LIP_SYNC_STORED):
        await door.ledger.advance(lease, point, facts=FACTS)
    door.store.put_bytes(sync_result_key("ada", job), b"video", "video/mp4")
    async with await browser(door, "ada") as http:
        page = await http.get(f"/jobs/{job}")
        [link] = re.findall(r'href="([^"]+save=true)"', page.text)
        answer = await http.get(html.unescape(link))
    wanted = parse_qs(urlsplit(answer.headers["Location"]).query)["response-content-disposition"]
    assert wanted == ['attachment; filename="d-s-talk-..-1-lip-sync.mp4"']


async def test_a_parked_job_calms_its_owner_and_tells_an_operator_what_to_do(door: OpenDoor) -> None:
    job = await opened_job(door)
    lease = await taken_up(door, job)
    await door.ledger.park(lease, "it is not known whether Sync.so took the submission (reset)")
    async with await browser(door, "ada") as http:
        owner = await text(http, f"/jobs/{job}")
    async with await browser(door, "boss", Scope.ADMIN) as http:
        operator = await text(http, f"/jobs/{job}")
    for seen in (owner, operator):
        assert "Needs a decision" in seen
        assert "It is not known whether Sync.so took the submission (reset)." in seen
    assert "You need not do anything" in owner
    assert "run the deployment decide" not in owner
    assert "run the deployment decide" in operator


async def test_the_cancel_button_stops_a_job_that_nobody_works_on_yet(door: OpenDoor) -> None:
    job = await opened_job(door)
    async with await browser(door, "ada") as http:
        answer = await http.post(f"/jobs/{job}/cancel")
        assert answer.status_code == 303
        seen = await text(http, answer.headers["Location"])
        again = await text(http, f"/jobs/{job}")
    assert "nothing was paid for" in seen
    assert "Cancelled" in again
    assert "Try again" in again


async def test_a_button_that_comes_too_late_says_so_on_a_page(door: OpenDoor) -> None:
    job = await opened_job(door)
    async with await browser(door, "ada") as http:
        answer = await http.post(f"/jobs/{job}/retry")
    assert answer.status_code == 409
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Only a job that has failed or was cancelled can be retried." in answer.text


async def test_somebody_elses_job_looks_exactly_like_none(door: OpenDoor) -> None:
    theirs = await opened_job(door, "bob", name="Bob's secret")
    async with await browser(door, "ada") as http:
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
            known = await http.request(method, f"/jobs/{theirs}{path}")
            unknown = await http.request(method, f"/jobs/job-{'0' * 36}{path}")
            assert known.status_code == unknown.status_code == 404
            assert known.text == unknown.text
            assert known.headers.items() ^ unknown.headers.items() <= {("date", known.headers["date"])} | {
                ("date", unknown.headers["date"])
            }
    assert theirs not in (*door.prefect.stopped, *door.prefect.retried)
