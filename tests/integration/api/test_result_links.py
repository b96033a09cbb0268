"""Links to a result: they need no token, expire, can be revoked, and are never logged."""

import base64
import json
import re
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deployments.api.result_links import LINK_PATTERN
from tests.integration.api.conftest import ApiServer, wait_until
from tests.integration.api.test_jobs import create_completed_job, create_job
from tests.support.api_server import LogCapture
from tests.support.browser_user import browser_client
from videojobs.db import VideoJob, get_engine


async def link_of(http: httpx.AsyncClient, job: VideoJob) -> str:
    """The job's current link."""
    link: str = (await http.get(f"/api/v1/jobs/{job.id}")).json()["output_url"]
    return link


async def open_link(url: str) -> httpx.Response:
    """As a browser opens it: without a token, following redirects."""
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        return await browser.get(url)


def assert_invalid(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (404, "invalid_link")


async def test_a_result_opens_by_its_link_without_a_token(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_completed_job(api, user)
    [row] = (await http.get("/api/v1/jobs/")).json()["jobs"]
    links = {
        await link_of(http, job),
        row["output_url"],
        (await http.get(f"/api/v1/jobs/{job.id}/status")).json()["download_url"],
        (await http.get(f"/api/v1/video-editors/pro-job/{job.id}/status")).json()["output_url"],
    }
    assert len(links) == 1, "a page that polls gets the same link again"
    answer = await open_link(links.pop())
    assert (answer.content, answer.headers.get("Content-Disposition")) == (b"0123456789", None)
    assert re.fullmatch(rf"{api.base_url}/d/{LINK_PATTERN[1:-1]}", row["output_url"])


async def test_download_1_saves_the_file_under_the_jobs_name(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    job = await create_completed_job(api, user)
    async with httpx.AsyncClient() as browser:
        redirect = await browser.get(f"{await link_of(http, job)}?download=1")
    assert redirect.status_code == 307
    assert redirect.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert redirect.headers["Cache-Control"] == "no-store"
    assert "response-content-disposition=attachment" in redirect.headers["Location"]
    assert (await open_link(redirect.headers["Location"])).content == b"0123456789"


async def test_a_link_expires(
    api: ApiServer, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await link_of(http, await create_completed_job(api, user))
    now = time.time()
    async with httpx.AsyncClient() as browser:
        for days, status in ((6.9, 307), (7.1, 404)):
            with monkeypatch.context() as later:
                later.setattr("time.time", lambda days=days: now + days * 86_400)
                answer = await browser.get(link)
            assert answer.status_code == status


async def test_revoking_ends_all_earlier_links(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job, other = await create_completed_job(api, user), await create_completed_job(api, user)
    link, other_link = await link_of(http, job), await link_of(http, other)
    updated_at = (await api.repository.get_job(job.id)).updated_at
    answer = await http.post(f"/api/v1/jobs/{job.id}/links/revoke")
    assert (answer.status_code, answer.json()["job_id"]) == (200, job.id)
    assert_invalid(await open_link(link))
    assert (await open_link(await link_of(http, job))).content == b"0123456789"
    assert (await open_link(other_link)).content == b"0123456789"
    assert (await api.repository.get_job(job.id)).updated_at == updated_at, "revoking is no progress"
    told = (await http.get(f"/api/v1/jobs/{job.id}")).json()["timeline"]
    assert told[-1]["message"] == "All links to the result were revoked."


async def test_a_deleted_jobs_link_does_not_work(
    api: ApiServer, http: httpx.AsyncClient, user: str, database_url: str
) -> None:
    job = await create_completed_job(api, user)
    link = await link_of(http, job)
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text("DELETE FROM video_jobs WHERE id = :id"), {"id": job.id})
    assert_invalid(await open_link(link))


async def test_a_link_whose_file_is_gone_does_not_work(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_completed_job(api, user)
    link = await link_of(http, job)
    api.store.delete(api.store.list_keys(f"users/{user}/jobs/{job.id}/"))
    assert_invalid(await open_link(link))


async def test_a_job_without_a_result_has_no_link(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_job(api, user)
    assert (await http.get(f"/api/v1/jobs/{job.id}")).json()["output_url"] is None


async def test_a_changed_link_does_not_work(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job, other = await create_completed_job(api, user), await create_completed_job(api, user)
    link = await link_of(http, job)
    base, _, token = link.rpartition("/")
    content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    later = (int.from_bytes(content[:4]) + 3600).to_bytes(4) + content[4:]
    foreign = content[:20] + other.id.encode()
    flipped = content[:4] + bytes([content[4] ^ 1]) + content[5:]
    for changed in (later, foreign, flipped):
        assert_invalid(await open_link(f"{base}/{base64.urlsafe_b64encode(changed).decode().rstrip('=')}"))
    assert (await open_link(link)).status_code == 200
    api.app_state.auth_failure_buckets._buckets.clear()


async def test_a_link_begins_with_the_public_address(
    api: ApiServer, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await create_completed_job(api, user)
    monkeypatch.setenv("VIDEOJOBS_PUBLIC_URL", "https://api.example.com/video/")
    public: dict[str, Any] = (await http.get(f"/api/v1/jobs/{job.id}/status")).json()
    assert public["download_url"].startswith("https://api.example.com/video/d/")


async def test_a_link_is_not_logged(
    api: ApiServer, http: httpx.AsyncClient, user: str, log_capture: LogCapture
) -> None:
    job = await create_completed_job(api, user)
    link = await link_of(http, job)
    await open_link(link)
    await wait_until(lambda: any(line["route"] == "/d/{token}" for line in log_capture.lines))
    [line] = [line for line in log_capture.lines if line["route"] == "/d/{token}"]
    assert (line["status"], line["job_id"]) == (307, job.id)
    assert link.rpartition("/")[2] not in json.dumps(log_capture.lines)


async def test_the_job_page_shows_and_revokes_the_link(api: ApiServer, user: str, http: httpx.AsyncClient) -> None:
    job = await create_completed_job(api, user)
    link = await link_of(http, job)
    async with await browser_client(api, user) as browser:
        assert f'href="{link}"' in (await browser.get(f"/jobs/{job.id}")).text
        answer = await browser.post(f"/jobs/{job.id}/revoke-links")
        page = await browser.get(answer.headers["Location"])
    assert answer.status_code == 303
    assert "Links revoked" in page.text
    assert link not in page.text
    assert_invalid(await open_link(link))
