"""The pages over real HTTP, on a real Postgres: what a person reads, and what a page never gives away."""

import html
import re
import uuid
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deployments.gateway.pages.session import own_path
from tests.gateway.conftest import OpenDoor
from tests.ledger.conftest import a_request
from videojobs.ledger import Lease
from videojobs.ledger.tokens import Scope
from videojobs.media.store import sync_result_key
from videojobs.states import LIP_SYNC_DONE, Point

FACTS = {  # what is measured on a job's files
    "inputs": {"video": "s3://videojobs/video.mp4", "audio": {"audio-1": "s3://videojobs/1.wav"}},
    "video": {"duration": 10.0, "width": 640, "height": 360, "frame_rate": 25.0, "container": "mp4", "size": 1},
    "audio": {"audio-1": {"duration": 2.0, "container": "wav", "size": 1}},
}
HOSTILE = """<script>alert(1)</script>"'&{{7*7}}"""


async def browser(door: OpenDoor, user: str, *scopes: Scope) -> httpx.AsyncClient:
    """Somebody who is signed in, and whose browser tells where requests come from."""
    cookies = {"token": await door.token(user, *scopes)}
    return httpx.AsyncClient(base_url=door.address, cookies=cookies, headers={"Origin": door.address})


async def opened_job(door: OpenDoor, user: str = "ada", *, name: str = "A job", areas: int = 0) -> str:
    """A job that came in a moment ago."""
    request = a_request(areas=areas, name=name).model_copy(update={"user_id": user})
    job_id = f"job-{uuid.uuid4()}"
    await door.ledger.open(job_id, request, actor="test")
    return job_id


async def taken_up(door: OpenDoor, job_id: str) -> Lease:
    """A run works on it."""
    lease = Lease(job_id, f"{uuid.uuid4()}/1")
    assert await door.ledger.claim(lease, seconds=60) is None
    return lease


async def text(http: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """A page as a person reads it: without tags."""
    answer = await http.get(path)
    assert answer.status_code == status, answer.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)))


# ---- signing in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/jobs", "/submit", "/jobs/some-job"])
async def test_who_is_not_signed_in_is_led_to_sign_in_and_then_to_where_he_wanted(door: OpenDoor, path: str) -> None:
    token = await door.token("ada")
    async with httpx.AsyncClient(base_url=door.address, headers={"Origin": door.address}) as http:
        refused = await http.get(path)
        assert refused.status_code == 303
        form = await http.get(refused.headers["Location"])
        assert 'name="token"' in form.text
        [wanted] = re.findall(r'name="next" value="([^"]*)"', form.text)
        entered = await http.post("/login", data={"token": f" {token}\n", "next": html.unescape(wanted)})
        assert (entered.status_code, entered.headers["Location"]) == (303, path)
        assert (await http.get("/jobs")).status_code == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(door: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=door.address, headers={"Origin": door.address}) as http:
        answer = await http.post("/login", data={"token": await door.token("ada")})
    attributes = answer.headers["Set-Cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert "secure" not in attributes, "this test speaks plain http, and the cookie has to come back"


async def test_a_token_that_is_none_is_asked_for_again_and_sets_no_cookie(door: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=door.address, headers={"Origin": door.address}) as http:
        answer = await http.post("/login", data={"token": "vj_" + "x" * 43})
    assert answer.status_code == 401
    assert "This token is not valid" in answer.text
    assert "Set-Cookie" not in answer.headers


async def test_signing_out_forgets_the_token(door: OpenDoor) -> None:
    async with await browser(door, "ada") as http:
        answer = await http.post("/logout")
        assert answer.headers["Location"] == "/login"
        assert 'token="";' in answer.headers["Set-Cookie"]
        http.cookies.clear()
        assert (await http.get("/jobs")).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.test/", "//evil.test/jobs", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "jobs", ""],
)
def test_signing_in_leads_to_no_other_site(wanted: str) -> None:
    assert own_path(wanted) == "/jobs"


def test_signing_in_leads_back_to_a_page_of_ours() -> None:
    assert own_path("/jobs?status=failed") == "/jobs?status=failed"


@pytest.mark.parametrize("origin", ["http://evil.test", "null", None])
@pytest.mark.parametrize("action", ["/login", "/logout", "/jobs/{job}/cancel", "/jobs/{job}/retry", "/submit/check"])
async def test_a_form_on_another_site_does_nothing_here(door: OpenDoor, action: str, origin: str | None) -> None:
    job = await opened_job(door)
    headers = {"Origin": origin} if origin else {}
    async with httpx.AsyncClient(base_url=door.address, cookies={"token": await door.token("ada")}) as http:
        answer = await http.post(action.format(job=job), headers=headers, data={"token": await door.token("eve")})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert job not in door.prefect.stopped


# ---- the list ------------------------------------------------------------------------------------------------


async def test_the_list_shows_ones_own_jobs_only_and_an_admin_all_with_their_users(door: OpenDoor) -> None:
    await opened_job(door, "list-ada", name="Ada's interview")
    await opened_job(door, "list-bob", name="Bob's interview")
    async with await browser(door, "list-ada") as http:
        seen = await text(http, "/jobs")
    assert "Ada's interview" in seen
    assert "Bob" not in seen
    async with await browser(door, "boss", Scope.ADMIN) as http:
        seen = await text(http, "/jobs")
        assert "Bob's interview" in seen
        assert "list-bob" in seen
        filtered = await text(http, "/jobs?user=list-ada")
    assert "Bob's interview" not in filtered
    assert "Ada's interview" in filtered


async def test_the_list_is_filtered_by_state_and_goes_on_to_older_jobs(door: OpenDoor) -> None:
    for number in range(27):
        await opened_job(door, "many", name=f"Clip {number}")
    async with await browser(door, "many") as http:
        first = await http.get("/jobs")
        [older] = re.findall(r'rel="next" href="([^"]+)"', first.text)
        second = await http.get(html.unescape(older))
        none = await text(http, "/jobs?status=failed")
    assert "Clip 26" in first.text
    assert "Clip 1<" not in first.text
    assert "Clip 1<" in second.text
    assert 'rel="next"' not in second.text
    assert "No jobs here" in none


async def test_somebody_without_jobs_is_told_how_to_begin(door: OpenDoor) -> None:
    async with await browser(door, "newcomer") as http:
        assert "Make the first one" in await text(http, "/jobs")
    async with await browser(door, "watcher", Scope.READ) as http:
        assert "New job" not in await text(http, "/jobs"), "a token that cannot submit"


async def test_a_hostile_name_is_shown_as_text_wherever_it_is_shown(door: OpenDoor) -> None:
    job = await opened_job(door, "hostile", name=HOSTILE)
    async with await browser(door, "hostile") as http:
        pages = [await http.get(path) for path in ("/jobs", f"/jobs/{job}")]
    for page in pages:
        assert "<script>alert" not in page.text
        assert html.escape(HOSTILE).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page.text


# ---- a job ---------------------------------------------------------------------------------------------------


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


# ---- what a browser may do -----------------------------------------------------------------------------------


async def test_pages_need_no_script_or_style_inside_and_load_from_the_storage_only(door: OpenDoor) -> None:
    job = await opened_job(door)
    async with await browser(door, "ada") as http:
        answers = [await http.get(path) for path in ("/login", "/jobs", f"/jobs/{job}", "/submit", "/jobs/none")]
    for answer in answers:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)|javascript:", answer.text)
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text), "nothing comes from elsewhere"
        assert answer.headers["Cache-Control"] == "no-store"
    storage = door.store.presign("any", 60).split("/videojobs/")[0]
    assert storage in answers[2].headers["Content-Security-Policy"]
    assert storage in answers[3].headers["Content-Security-Policy"], "files are sent there"


async def test_scripts_are_served_as_what_they_are_and_nothing_else_of_the_folder_is(door: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=door.address) as http:
        script = await http.get("/static/submit/page.js")
        assert script.headers["Content-Type"].split(";")[0] in ("text/javascript", "application/javascript")
        assert script.headers["Cache-Control"] == "no-cache"
        for path in ("/static/../templates/job.html", "/static/%2e%2e/check.py", "/static/"):
            assert (await http.get(path)).status_code == 404


async def test_the_submit_page_is_for_those_who_may_submit(door: OpenDoor) -> None:
    async with await browser(door, "watcher", Scope.READ) as http:
        answer = await http.get("/submit")
    assert answer.status_code == 403
    assert "scope" in answer.text


async def test_a_list_is_told_of_every_change_by_one_stream_until_all_have_ended(door: OpenDoor) -> None:
    first, second = await opened_job(door, "stream"), await opened_job(door, "stream")
    heard: list[str] = []
    async with await browser(door, "stream") as http, http.stream("GET", "/jobs/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith(": here"):
                for job in (first, second):
                    await door.ledger.fail(await taken_up(door, job), "It broke.")
            if line.startswith("data: "):
                heard.append(line)
    assert any(first in line and "It broke." in line for line in heard)
    assert any(second in line and "It broke." in line for line in heard)
