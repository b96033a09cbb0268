"""The list of jobs, and rules for all pages: over real HTTP, on a real Postgres."""

import html
import re

import httpx

from tests.integration.api.conftest import ApiServer
from tests.support.browser_user import HOSTILE_NAME, browser_client, create_job, lease_job, page_text
from videojobs.db.tokens import Scope

# ---- the list ------------------------------------------------------------------------------------------------


async def test_the_list_shows_own_jobs_and_admins_all(api: ApiServer) -> None:
    await create_job(api, "list-ada", name="Ada's interview")
    await create_job(api, "list-bob", name="Bob's interview")
    async with await browser_client(api, "list-ada") as http:
        seen = await page_text(http, "/jobs")
    assert "Ada's interview" in seen
    assert "Bob" not in seen
    async with await browser_client(api, "boss", Scope.ADMIN) as http:
        seen = await page_text(http, "/jobs")
        assert "Bob's interview" in seen
        assert "list-bob" in seen
        filtered = await page_text(http, "/jobs?user=list-ada")
    assert "Bob's interview" not in filtered
    assert "Ada's interview" in filtered


async def test_the_list_filters_by_state_and_pages_to_older_jobs(api: ApiServer) -> None:
    for number in range(27):
        await create_job(api, "many", name=f"Clip {number}")
    async with await browser_client(api, "many") as http:
        first = await http.get("/jobs")
        [older] = re.findall(r'rel="next" href="([^"]+)"', first.text)
        second = await http.get(html.unescape(older))
        none = await page_text(http, "/jobs?status=failed")
    assert "Clip 26" in first.text
    assert "Clip 1<" not in first.text
    assert "Clip 1<" in second.text
    assert 'rel="next"' not in second.text
    assert "No jobs here" in none


async def test_an_empty_list_explains_how_to_start(api: ApiServer) -> None:
    async with await browser_client(api, "newcomer") as http:
        assert "Create the first job" in await page_text(http, "/jobs")
    async with await browser_client(api, "watcher", Scope.READ) as http:
        assert "New job" not in await page_text(http, "/jobs"), "a token that cannot submit"


async def test_a_hostile_name_is_escaped_on_every_page(api: ApiServer) -> None:
    job = await create_job(api, "hostile", name=HOSTILE_NAME)
    async with await browser_client(api, "hostile") as http:
        pages = [await http.get(path) for path in ("/jobs", f"/jobs/{job}")]
    for page in pages:
        assert "<script>alert" not in page.text
        assert html.escape(HOSTILE_NAME).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page.text


# ---- browser security ----------------------------------------------------------------------------------------


async def test_pages_have_no_inline_script_and_a_strict_csp(api: ApiServer) -> None:
    job = await create_job(api)
    async with await browser_client(api, "ada") as http:
        answers = [await http.get(path) for path in ("/login", "/jobs", f"/jobs/{job}", "/submit", "/jobs/none")]
    for answer in answers:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)|javascript:", answer.text)
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text), "nothing comes from elsewhere"
        assert answer.headers["Cache-Control"] == "no-store"
    storage = api.store.presign("any", 60).split("/videojobs/")[0]
    assert storage in answers[2].headers["Content-Security-Policy"]
    assert storage in answers[3].headers["Content-Security-Policy"], "files are sent there"


async def test_only_static_assets_are_served_from_the_folder(api: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=api.base_url) as http:
        script = await http.get("/static/submit/page.js")
        assert script.headers["Content-Type"].split(";")[0] in ("text/javascript", "application/javascript")
        assert script.headers["Cache-Control"] == "no-cache"
        for path in ("/static/../templates/job.html", "/static/%2e%2e/check.py", "/static/"):
            assert (await http.get(path)).status_code == 404


async def test_the_submit_page_requires_the_submit_scope(api: ApiServer) -> None:
    async with await browser_client(api, "watcher", Scope.READ) as http:
        answer = await http.get("/submit")
    assert answer.status_code == 403
    assert "scope" in answer.text


async def test_one_stream_updates_the_list_until_all_jobs_end(api: ApiServer) -> None:
    first, second = await create_job(api, "stream"), await create_job(api, "stream")
    heard: list[str] = []
    async with await browser_client(api, "stream") as http, http.stream("GET", "/jobs/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith(": here"):
                for job in (first, second):
                    await api.repository.fail(await lease_job(api, job), "It broke.")
            if line.startswith("data: "):
                heard.append(line)
    assert any(first in line and "It broke." in line for line in heard)
    assert any(second in line and "It broke." in line for line in heard)
