"""The list of jobs, and what holds for all pages: over real HTTP, on a real Postgres."""

import html
import re

import httpx

from tests.gateway.conftest import OpenDoor
from tests.gateway.visitors import HOSTILE, browser, opened_job, taken_up, text
from videojobs.ledger.tokens import Scope

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
