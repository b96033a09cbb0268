"""A job's page over real HTTP, on a real Postgres: what it shows, and what it never reveals."""

import html
import re
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from tests.integration.api.conftest import ApiServer
from tests.integration.db.conftest import make_request
from tests.support.browser_user import FACTS, browser_client, create_job, lease_job, page_text
from videojobs.db import get_engine
from videojobs.db.tokens import Scope
from videojobs.errors import FieldError, InvalidRequest, ProblemCode
from videojobs.progress import LIP_SYNC_DONE
from videojobs.states import RecoveryPoint
from videojobs.storage.object_store import lip_sync_result_key


async def test_a_job_page_shows_its_events_and_its_cost(api: ApiServer) -> None:
    job = await create_job(api, areas=1)
    lease = await lease_job(api, job)
    await api.repository.advance(lease, RecoveryPoint.UPLOADED, facts=FACTS)
    cost = {"lip_sync": {"usd": "0.45", "seconds": 9, "basis": "price list"}}
    await api.repository.record_estimate(
        lease, {**cost, "text_removal": {"points": "1", "seconds": 9, "basis": "price list"}}
    )
    await api.repository.update_progress(lease, *LIP_SYNC_DONE)
    async with await browser_client(api, "ada") as http:
        seen = await page_text(http, f"/jobs/{job}")
    assert "In progress 50 %" in seen
    assert seen.index("job was accepted") < seen.index("checked and stored")
    assert "Lip-sync 0.45 USD" in seen
    assert "Together 0.45 USD and 1 point" in seen
    assert lease.flow_run_id not in seen, "the numbers of runs are nobody's business"
    assert "Cancel" in seen
    assert "Try again" not in seen


@pytest.mark.parametrize(
    ("changes", "segments", "areas"),
    [
        ({"effects": []}, "Segments 2", "Areas none: lip-sync only"),
        ({"audio": [], "segments": []}, "Segments none: text removal only", "Areas 1"),
        (
            {"segments": [], "effects": [], "text_removal": "whole_frame"},
            "Segments none: one audio file for the whole video",
            "Areas the whole picture",
        ),
    ],
)
async def test_a_job_page_says_what_kind_of_job_it_is(
    api: ApiServer, changes: dict[str, Any], segments: str, areas: str
) -> None:
    request = make_request(areas=1).model_copy(update=changes)
    job = await api.repository.create(f"job-{uuid.uuid4()}", request, actor="test")
    async with await browser_client(api, "ada") as http:
        seen = await page_text(http, f"/jobs/{job.id}")
    assert segments in seen
    assert areas in seen


async def test_a_rejected_request_lists_its_problems(api: ApiServer) -> None:
    job = "job-refused-page"
    error = InvalidRequest(
        [
            FieldError("segments[0].endTime", "must be later; mend it", ProblemCode.END_BEFORE_START),
            FieldError("video", "is empty"),
        ]
    )
    await api.repository.create_rejected(
        job, user_id="ada", display_name=None, error=str(error), problems=error.errors, actor="test"
    )
    async with await browser_client(api, "ada") as http:
        answer = await http.get(f"/jobs/{job}")
        summary = (await http.get(f"/api/v1/jobs/{job}")).json()
    assert summary["error_code"] == "invalid_request"
    assert [(item["field"], item["code"]) for item in summary["problems"]] == [
        ("segments[0].endTime", "end_before_start"),
        ("video", "invalid_value"),
    ]
    assert re.findall(r"<li>(.*?)</li>", answer.text) == [
        "segments[0].endTime: must be later; mend it",
        "video: is empty",
    ]
    assert "Nothing was bought" in answer.text
    assert "Try again" not in answer.text


async def test_an_old_rejected_request_without_a_code_still_shows(api: ApiServer, database_url: str) -> None:
    job = "job-refused-before-codes"
    error = "The request has 1 problem: video: is empty"
    await api.repository.create_rejected(job, user_id="ada", display_name=None, error=error, actor="test")
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text("UPDATE video_jobs SET error_code = NULL WHERE id = :id"), {"id": job})
    async with await browser_client(api, "ada") as http:
        seen = await page_text(http, f"/jobs/{job}")
        summary = (await http.get(f"/api/v1/jobs/{job}")).json()
    assert "The request has 1 problem: video: is empty. Nothing was bought." in seen
    assert "Try again" not in seen
    assert (summary["error_code"], summary["problems"]) == (None, [])


async def test_a_problem_stored_without_a_code_still_shows(api: ApiServer, database_url: str) -> None:
    job = "job-refused-before-problem-codes"
    error = InvalidRequest([FieldError("video", "is empty")])
    await api.repository.create_rejected(
        job, user_id="ada", display_name=None, error=str(error), problems=error.errors, actor="test"
    )
    as_before = """UPDATE video_jobs SET error_problems = '[{"path": "video", "message": "is empty"}]' WHERE id = :id"""
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text(as_before.replace(": ", "\\: ")), {"id": job})
    async with await browser_client(api, "ada") as http:
        summary = (await http.get(f"/api/v1/jobs/{job}")).json()
    assert summary["problems"] == [{"field": "video", "code": "invalid_value", "message": "is empty"}]


async def test_a_failed_text_removal_offers_the_lip_sync_and_retry(api: ApiServer) -> None:
    job = await create_job(api, areas=1)
    lease = await lease_job(api, job)
    await api.repository.advance(lease, RecoveryPoint.UPLOADED, facts=FACTS)
    await api.repository.advance(lease, RecoveryPoint.LIP_SYNC_SUBMITTED)
    await api.repository.advance(lease, RecoveryPoint.LIP_SYNC_STORED)
    await api.repository.fail(lease, "Text inpainting failed: not enough points", fallback_url="s3://videojobs/x.mp4")
    async with await browser_client(api, "ada") as http:
        seen = await page_text(http, f"/jobs/{job}")
        assert "The text could not be removed" in seen
        assert "Text inpainting failed: not enough points." in seen
        assert "Download (lip-sync only)" in seen
        answer = await http.post(f"/jobs/{job}/retry")
        assert answer.status_code == 303
        assert "The job continues" in await page_text(http, answer.headers["Location"])
    assert job in api.prefect.retried


async def test_a_download_is_named_after_the_job(api: ApiServer) -> None:
    job = await create_job(api, name='Ädä\'s "talk"/../1')
    lease = await lease_job(api, job)
    for point in (RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryPoint.LIP_SYNC_STORED):
        await api.repository.advance(lease, point, facts=FACTS)
    api.store.put_bytes(lip_sync_result_key("ada", job), b"video", "video/mp4")
    async with await browser_client(api, "ada") as http:
        page = await http.get(f"/jobs/{job}")
        [link] = re.findall(r'href="([^"]+save=true)"', page.text)
        answer = await http.get(html.unescape(link))
    wanted = parse_qs(urlsplit(answer.headers["Location"]).query)["response-content-disposition"]
    assert wanted == ['attachment; filename="d-s-talk-..-1-lip-sync.mp4"']


async def test_a_parked_job_informs_its_owner_and_its_operator(api: ApiServer) -> None:
    job = await create_job(api)
    lease = await lease_job(api, job)
    await api.repository.park(lease, "it is not known whether Sync.so accepted the submission (reset)")
    async with await browser_client(api, "ada") as http:
        owner = await page_text(http, f"/jobs/{job}")
    async with await browser_client(api, "boss", Scope.ADMIN) as http:
        operator = await page_text(http, f"/jobs/{job}")
    for seen in (owner, operator):
        assert "Needs a decision" in seen
        assert "It is not known whether Sync.so accepted the submission (reset)." in seen
    assert "You need not do anything" in owner
    assert "run the deployment resolve-job" not in owner
    assert "run the deployment resolve-job" in operator


async def test_the_cancel_button_stops_a_job_without_a_run(api: ApiServer) -> None:
    job = await create_job(api)
    async with await browser_client(api, "ada") as http:
        answer = await http.post(f"/jobs/{job}/cancel")
        assert answer.status_code == 303
        seen = await page_text(http, answer.headers["Location"])
        again = await page_text(http, f"/jobs/{job}")
    assert "nothing was paid for" in seen
    assert "Cancelled" in again
    assert "Try again" in again


async def test_a_stale_button_shows_an_explanation(api: ApiServer) -> None:
    job = await create_job(api)
    async with await browser_client(api, "ada") as http:
        answer = await http.post(f"/jobs/{job}/retry")
    assert answer.status_code == 409
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Only a failed or cancelled job can be retried." in answer.text


async def test_another_users_job_page_looks_like_a_missing_one(api: ApiServer) -> None:
    theirs = await create_job(api, "bob", name="Bob's secret")
    async with await browser_client(api, "ada") as http:
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
            known = await http.request(method, f"/jobs/{theirs}{path}")
            unknown = await http.request(method, f"/jobs/job-{'0' * 36}{path}")
            assert known.status_code == unknown.status_code == 404
            assert known.text == unknown.text
            assert known.headers.items() ^ unknown.headers.items() <= {("date", known.headers["date"])} | {
                ("date", unknown.headers["date"])
            }
    assert theirs not in (*api.prefect.stopped, *api.prefect.retried)
