"""A user's jobs over HTTP: visibility, actions, and representation."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deployments.api.schemas.jobs import Job
from tests.integration.api.conftest import ApiServer
from tests.integration.db.conftest import make_request
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files
from videojobs.db import Lease, VideoJob, get_engine
from videojobs.db.tokens import Scope
from videojobs.pipeline.facts import JobFacts, StoredInputs
from videojobs.states import RecoveryPoint, Stage
from videojobs.storage.object_store import comparison_image_key, lip_sync_result_key, result_key

API = "/api/v1"


async def create_job(api: ApiServer, user: str, **changes: Any) -> VideoJob:
    request = make_request(areas=1).model_copy(update={"user_id": user, **changes})
    return await api.repository.create(f"job-{uuid.uuid4()}", request, actor="test")


async def create_leased_job(api: ApiServer, user: str) -> Lease:
    """A job whose lease a run holds."""
    lease = Lease((await create_job(api, user)).id, "run-1/1")
    assert await api.repository.acquire_lease(lease, 60) is None
    return lease


async def advance_to_point(api: ApiServer, lease: Lease, last: RecoveryPoint) -> VideoJob:
    for point in list(RecoveryPoint)[1:-1]:
        inputs = StoredInputs(video="s3://videojobs/source.mp4")
        facts = JobFacts(inputs=inputs) if point is RecoveryPoint.UPLOADED else None
        await api.repository.advance(lease, point, facts=facts)
        if point is last:
            break
    return await api.repository.get_job(lease.job_id)


async def create_completed_job(api: ApiServer, user: str) -> VideoJob:
    lease = await create_leased_job(api, user)
    await advance_to_point(api, lease, RecoveryPoint.TEXT_REMOVAL_STORED)
    stored = api.store.put_bytes(result_key(user, lease.job_id), b"0123456789", "video/mp4")
    return await api.repository.complete(lease, stored.uri)


# ---- one job -----------------------------------------------------------------------------------------------


async def test_the_status_has_the_old_fields_and_a_working_link(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    job = await create_completed_job(api, user)
    status = (await http.get(f"{API}/video-editors/pro-job/{job.id}/status")).json()
    url = status.pop("output_url")
    assert status == {
        "job_id": job.id,
        "status": "completed",
        "progress": 100,
        "message": "Pro video processing completed (lip-sync + text inpainting)",
        "segments_data": job.segments_data,
        "created_at": job.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "completed_at": job.completed_at and job.completed_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
    }
    async with httpx.AsyncClient(follow_redirects=True) as anybody:
        assert (await anybody.get(url)).content == b"0123456789"


async def test_a_failed_job_gives_its_reason_and_partial_results(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    lease = await create_leased_job(api, user)
    await advance_to_point(api, lease, RecoveryPoint.LIP_SYNC_STORED)
    stored = api.store.put_bytes(lip_sync_result_key(user, lease.job_id), b"lips", "video/mp4")
    await api.repository.fail(lease, "Text inpainting failed: no points", fallback_url=stored.uri)
    status = (await http.get(f"{API}/video-editors/pro-job/{lease.job_id}/status")).json()
    assert (status["status"], status["message"]) == ("failed", "Text inpainting failed: no points")
    job = Job.model_validate((await http.get(f"{API}/jobs/{lease.job_id}")).json())
    assert (job.fallback, job.can_retry, job.can_cancel) == (True, True, False)
    assert job.downloads == ["source", "lip_sync"]
    link = await http.get(f"{API}/jobs/{lease.job_id}/download", params={"what": "lip_sync"})
    async with httpx.AsyncClient(follow_redirects=True) as anybody:
        assert (await anybody.get(status["output_url"])).content == b"lips"
        assert (await anybody.get(link.headers["Location"])).content == b"lips"


async def test_the_event_log_lists_events_without_secrets(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    lease = await create_leased_job(api, user)
    await advance_to_point(api, lease, RecoveryPoint.UPLOADED)
    answer = await http.get(f"{API}/jobs/{lease.job_id}")
    told = [line["message"] for line in answer.json()["timeline"]]
    assert told == [
        "The job was accepted.",
        "A run has started work on the job.",
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
        ("POST", "/jobs/{}/links/revoke"),
    ],
)
async def test_another_users_job_is_a_404_like_a_missing_one(
    api: ApiServer, http: httpx.AsyncClient, method: str, path: str
) -> None:
    foreign = await create_completed_job(api, "somebody-else")
    answers = [await http.request(method, API + path.format(job_id)) for job_id in (foreign.id, "no-such-job")]
    assert [answer.status_code for answer in answers] == [404, 404]
    first, second = ((answer.content, {**answer.headers, "date": ""}) for answer in answers)
    assert first == second


async def test_an_admin_sees_all_jobs(api: ApiServer, user: str) -> None:
    job = await create_completed_job(api, "somebody-else")
    async with await api.create_client(user, Scope.ADMIN) as admin:
        assert (await admin.get(f"{API}/jobs/{job.id}")).json()["user_id"] == "somebody-else"
        listed = (await admin.get(f"{API}/jobs", params={"user": "somebody-else", "limit": 1})).json()
    assert [item["job_id"] for item in listed["jobs"]] == [job.id]


# ---- lists -------------------------------------------------------------------------------------------------


async def test_the_list_shows_own_jobs_newest_first_by_page(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    await create_job(api, "somebody-else")
    made = [(await create_job(api, user)).id for _ in range(5)]
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


async def test_the_list_filters_by_status(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    await create_job(api, user)
    done = await create_completed_job(api, user)
    page = (await http.get(f"{API}/jobs", params={"status": "completed"})).json()
    assert [item["job_id"] for item in page["jobs"]] == [done.id]


async def test_another_users_list_is_forbidden(http: httpx.AsyncClient, user: str) -> None:
    assert (await http.get(f"{API}/jobs", params={"user": "somebody-else"})).status_code == 403
    assert (await http.get(f"{API}/jobs", params={"user": user})).status_code == 200


# ---- cancel, retry, download -------------------------------------------------------------------------------


async def test_a_job_without_a_worker_is_cancelled_at_once(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_job(api, user)
    answer = await http.post(f"{API}/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert "nothing was paid for" in answer.json()["error"]
    assert (await http.post(f"{API}/jobs/{job.id}/cancel")).status_code == 409


async def test_a_running_job_is_cancelled_by_its_run(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    api.prefect.has_running_worker = True
    lease = await create_leased_job(api, user)
    answer = await http.post(f"{API}/jobs/{lease.job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    assert api.prefect.stopped == [lease.job_id]


async def test_a_parked_job_waits_for_its_operator(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    lease = await create_leased_job(api, user)
    await api.repository.park(lease, "nobody knows")
    job = (await http.get(f"{API}/jobs/{lease.job_id}")).json()
    assert (job["parked_reason"], job["can_cancel"], job["can_retry"]) == ("nobody knows", False, False)
    assert (await http.post(f"{API}/jobs/{lease.job_id}/cancel")).status_code == 409
    assert (await http.post(f"{API}/jobs/{lease.job_id}/retry")).status_code == 409


async def test_only_an_unsuccessful_job_can_be_retried(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    lease = await create_leased_job(api, user)
    assert (await http.post(f"{API}/jobs/{lease.job_id}/retry")).status_code == 409
    await api.repository.fail(lease, "no reason")
    assert (await http.post(f"{API}/jobs/{lease.job_id}/retry")).status_code == 202
    assert api.prefect.retried == [lease.job_id]


async def test_a_download_redirects_to_a_link_with_range_support(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    job = await create_completed_job(api, user)
    answer = await http.get(f"{API}/jobs/{job.id}/download")
    assert answer.status_code == 307
    async with httpx.AsyncClient() as anybody:
        part = await anybody.get(answer.headers["Location"], headers={"Range": "bytes=2-4"})
    assert part.content[-8:] in (b"234", b"23456789")  # the local store responds with 200 to ranges (platform facts)


async def test_the_comparison_image_is_offered_once_it_exists(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    job = await create_completed_job(api, user)
    picture = f"{API}/jobs/{job.id}/download?what=before_after"
    assert (await http.get(f"{API}/jobs/{job.id}")).json()["downloads"] == ["source", "lip_sync", "result"]
    assert (await http.get(picture)).status_code == 404
    assert "The picture is being created" in (await http.get(f"/jobs/{job.id}")).text
    api.store.put_bytes(comparison_image_key(user, job.id), b"a picture", "image/jpeg")
    assert (await http.get(f"{API}/jobs/{job.id}")).json()["downloads"][-1] == "before_after"
    assert (await http.get(picture)).status_code == 307
    assert "what=before_after" in (await http.get(f"/jobs/{job.id}")).text


# ---- scopes ------------------------------------------------------------------------------------------------


async def test_a_token_is_limited_to_its_scopes(api: ApiServer, user: str) -> None:
    job = await create_job(api, user)
    async with (
        await api.create_client(user, Scope.READ) as reader,
        await api.create_client(user, Scope.SUBMIT) as submitter,
    ):
        assert (await reader.get(f"{API}/jobs/{job.id}")).status_code == 200
        assert (await reader.post(f"{API}/jobs/{job.id}/cancel")).status_code == 403
        assert (await submitter.get(f"{API}/jobs/{job.id}")).status_code == 403
        assert (await submitter.post(f"{API}/jobs/{job.id}/cancel")).status_code == 202


# ---- rows and settings that another version or an operator left behind --------------------------------------


async def test_one_odd_row_does_not_break_lists_and_pages(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    odd, sound = await create_job(api, user), await create_job(api, user)
    change = 'UPDATE video_jobs SET facts = \'{"video": {"duration": 5}}\', error_problems = \'["a"]\' WHERE id = :id'
    async with get_engine(api.repository.database_url).begin() as connection:
        await connection.execute(text(change), {"id": odd.id})
    for path in (f"{API}/jobs", f"{API}/jobs/", f"{API}/jobs/{odd.id}", "/jobs", f"/jobs/{odd.id}"):
        answer = await http.get(path)
        assert answer.status_code == 200, path
    listed = (await http.get(f"{API}/jobs")).json()["jobs"]
    assert {row["job_id"] for row in listed} == {odd.id, sound.id}


@pytest.mark.parametrize("stage", Stage)
async def test_a_wrong_provider_setting_refuses_only_its_jobs(
    api: ApiServer, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    monkeypatch.setenv(f"VIDEOJOBS_{stage.name}_PROVIDER", "nobody")
    request = {
        "video": "https://example.com/v.mp4",
        "audio": [{"refId": "a", "source": "https://example.com/a.wav"}],
        "segments": [{"startTime": 0, "endTime": 1, "audioInput": {"refId": "a"}}],
    }
    area = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 0, "end": 1}
    with_areas = await http.post(f"{API}/jobs", json={**request, "effects": [area]})
    assert (with_areas.status_code, with_areas.json()["code"]) == (503, "configuration_error")
    without = await http.post(f"{API}/jobs", json=request)
    assert without.status_code == (503 if stage is Stage.LIP_SYNC else 202)


async def test_a_wrong_provider_setting_refuses_a_form_unread(
    api: ApiServer, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIP_SYNC_PROVIDER", "nobody")
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields())
    assert (answer.status_code, answer.json()["code"]) == (503, "configuration_error")
    assert "operator" in answer.json()["detail"]
    assert api.stored_keys(user) == []


async def test_a_form_with_areas_and_no_vendor_leaves_no_files(
    api: ApiServer, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_TEXT_REMOVAL_PROVIDER", "nobody")
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields())
    assert (answer.status_code, answer.json()["code"]) == (503, "configuration_error")
    assert api.stored_keys(user) == []
