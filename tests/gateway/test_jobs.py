"""A user's jobs over HTTP: who sees which, what can be done about them, and what they look like."""

import uuid
from typing import Any

import httpx
import pytest

from deployments.gateway.shapes import Job
from tests.gateway.conftest import OpenDoor
from tests.ledger.conftest import a_request
from videojobs.ledger import Lease, VideoJob
from videojobs.ledger.tokens import Scope
from videojobs.media.store import picture_key, result_key, sync_result_key
from videojobs.states import Point

API = "/api/v1"


async def opened(door: OpenDoor, user: str, **changes: Any) -> VideoJob:
    request = a_request(areas=1).model_copy(update={"user_id": user, **changes})
    return await door.ledger.open(f"job-{uuid.uuid4()}", request, actor="test")


async def held(door: OpenDoor, user: str) -> Lease:
    """A job that a run is at work on."""
    lease = Lease((await opened(door, user)).id, "run-1/1")
    assert await door.ledger.claim(lease, 60) is None
    return lease


async def brought_to(door: OpenDoor, lease: Lease, last: Point) -> VideoJob:
    for point in list(Point)[1:-1]:
        facts = {"inputs": {"video": "s3://videojobs/source.mp4"}} if point is Point.UPLOADED else None
        await door.ledger.advance(lease, point, facts=facts)
        if point is last:
            break
    return await door.ledger.job(lease.job_id)


async def completed(door: OpenDoor, user: str) -> VideoJob:
    lease = await held(door, user)
    await brought_to(door, lease, Point.TEXT_REMOVAL_STORED)
    stored = door.store.put_bytes(result_key(user, lease.job_id), b"0123456789", "video/mp4")
    return await door.ledger.finish(lease, stored.uri)


# ---- one job -----------------------------------------------------------------------------------------------


async def test_the_status_has_the_five_fields_and_a_link_that_gives_the_video(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    job = await completed(door, user)
    status = (await http.get(f"{API}/video-editors/pro-job/{job.id}/status")).json()
    url = status.pop("output_url")
    assert status == {
        "job_id": job.id,
        "status": "completed",
        "progress": 100,
        "message": "Pro video processing completed (lip-sync + text inpainting)",
    }
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(url)).content == b"0123456789"


async def test_a_failed_job_says_why_and_offers_what_it_has(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    lease = await held(door, user)
    await brought_to(door, lease, Point.LIP_SYNC_STORED)
    stored = door.store.put_bytes(sync_result_key(user, lease.job_id), b"lips", "video/mp4")
    await door.ledger.fail(lease, "Text inpainting failed: no points", fallback_url=stored.uri)
    status = (await http.get(f"{API}/video-editors/pro-job/{lease.job_id}/status")).json()
    assert (status["status"], status["message"]) == ("failed", "Text inpainting failed: no points")
    job = Job.model_validate((await http.get(f"{API}/jobs/{lease.job_id}")).json())
    assert (job.fallback, job.can_retry, job.can_cancel) == (True, True, False)
    assert job.downloads == ["source", "lip_sync"]
    link = await http.get(f"{API}/jobs/{lease.job_id}/download", params={"what": "lip_sync"})
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(status["output_url"])).content == b"lips"
        assert (await anybody.get(link.headers["Location"])).content == b"lips"


async def test_a_jobs_timeline_tells_what_happened_and_no_secrets(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    lease = await held(door, user)
    await brought_to(door, lease, Point.UPLOADED)
    answer = await http.get(f"{API}/jobs/{lease.job_id}")
    told = [line["message"] for line in answer.json()["timeline"]]
    assert told == [
        "The job was taken in.",
        "A run has taken the job up.",
        "All files are checked and stored.",
    ]
    assert "run-1" not in answer.text
    assert "s3://" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/video-editors/pro-job/{}/status"),
        ("GET", "/jobs/{}"),
        ("GET", "/jobs/{}/status"),
        ("GET", "/jobs/{}/download"),
        ("GET", "/jobs/{}/events"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/retry"),
    ],
)
async def test_somebody_elses_job_is_answered_exactly_as_one_that_does_not_exist(
    door: OpenDoor, http: httpx.AsyncClient, method: str, path: str
) -> None:
    foreign = await completed(door, "somebody-else")
    answers = [await http.request(method, API + path.format(job_id)) for job_id in (foreign.id, "no-such-job")]
    assert [answer.status_code for answer in answers] == [404, 404]
    first, second = ((answer.content, {**answer.headers, "date": ""}) for answer in answers)
    assert first == second


async def test_an_admin_sees_everybodys(door: OpenDoor, user: str) -> None:
    job = await completed(door, "somebody-else")
    async with await door.client(user, Scope.ADMIN) as admin:
        assert (await admin.get(f"{API}/jobs/{job.id}")).json()["user_id"] == "somebody-else"
        listed = (await admin.get(f"{API}/jobs", params={"user": "somebody-else", "limit": 1})).json()
    assert [item["job_id"] for item in listed["jobs"]] == [job.id]


# ---- lists -------------------------------------------------------------------------------------------------


async def test_the_list_is_ones_own_newest_first_page_by_page(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    await opened(door, "somebody-else")
    made = [(await opened(door, user)).id for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for size in (2, 2, 1):
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await http.get(f"{API}/jobs", params=params)).json()
        assert len(page["jobs"]) == size
        seen += [item["job_id"] for item in page["jobs"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == made[::-1]


async def test_the_list_can_be_of_one_status(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    await opened(door, user)
    done = await completed(door, user)
    page = (await http.get(f"{API}/jobs", params={"status": "completed"})).json()
    assert [item["job_id"] for item in page["jobs"]] == [done.id]


async def test_another_users_list_is_refused(http: httpx.AsyncClient, user: str) -> None:
    assert (await http.get(f"{API}/jobs", params={"user": "somebody-else"})).status_code == 403
    assert (await http.get(f"{API}/jobs", params={"user": user})).status_code == 200


# ---- cancel, retry, download -------------------------------------------------------------------------------


async def test_a_job_that_no_worker_has_taken_is_cancelled_at_once(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    job = await opened(door, user)
    answer = await http.post(f"{API}/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert "nothing was paid for" in answer.json()["error"]
    assert (await http.post(f"{API}/jobs/{job.id}/cancel")).status_code == 409


async def test_a_job_that_a_run_is_at_work_on_is_cancelled_by_that_run(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    door.prefect.at_work = True
    lease = await held(door, user)
    answer = await http.post(f"{API}/jobs/{lease.job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    assert door.prefect.stopped == [lease.job_id]


async def test_a_parked_job_waits_for_its_operator(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    lease = await held(door, user)
    await door.ledger.park(lease, "nobody knows")
    job = (await http.get(f"{API}/jobs/{lease.job_id}")).json()
    assert (job["parked_reason"], job["can_cancel"], job["can_retry"]) == ("nobody knows", False, False)
    assert (await http.post(f"{API}/jobs/{lease.job_id}/cancel")).status_code == 409
    assert (await http.post(f"{API}/jobs/{lease.job_id}/retry")).status_code == 409


async def test_only_what_ended_badly_is_retried(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    lease = await held(door, user)
    assert (await http.post(f"{API}/jobs/{lease.job_id}/retry")).status_code == 409
    await door.ledger.fail(lease, "no reason")
    assert (await http.post(f"{API}/jobs/{lease.job_id}/retry")).status_code == 202
    assert door.prefect.retried == [lease.job_id]


async def test_a_download_leads_to_a_link_that_takes_ranges(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    job = await completed(door, user)
    answer = await http.get(f"{API}/jobs/{job.id}/download")
    assert answer.status_code == 307
    async with httpx.AsyncClient() as anybody:
        part = await anybody.get(answer.headers["Location"], headers={"Range": "bytes=2-4"})
    assert part.content[-8:] in (b"234", b"23456789")  # the local store answers 200 to ranges (platform facts)


async def test_a_picture_is_named_and_given_once_it_is_there(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    job = await completed(door, user)
    picture = f"{API}/jobs/{job.id}/download?what=before_after"
    assert (await http.get(f"{API}/jobs/{job.id}")).json()["downloads"] == ["source", "lip_sync", "result"]
    assert (await http.get(picture)).status_code == 404
    assert "The picture is being made" in (await http.get(f"/jobs/{job.id}")).text
    door.store.put_bytes(picture_key(user, job.id), b"a picture", "image/jpeg")
    assert (await http.get(f"{API}/jobs/{job.id}")).json()["downloads"][-1] == "before_after"
    assert (await http.get(picture)).status_code == 307
    assert "what=before_after" in (await http.get(f"/jobs/{job.id}")).text


# ---- scopes ------------------------------------------------------------------------------------------------


async def test_a_token_does_what_its_scopes_say_and_no_more(door: OpenDoor, user: str) -> None:
    job = await opened(door, user)
    async with await door.client(user, Scope.READ) as reader, await door.client(user, Scope.SUBMIT) as submitter:
        assert (await reader.get(f"{API}/jobs/{job.id}")).status_code == 200
        assert (await reader.post(f"{API}/jobs/{job.id}/cancel")).status_code == 403
        assert (await submitter.get(f"{API}/jobs/{job.id}")).status_code == 403
        assert (await submitter.post(f"{API}/jobs/{job.id}/cancel")).status_code == 202
