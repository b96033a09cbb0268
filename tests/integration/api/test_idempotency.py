"""A job is created exactly once: repeated, concurrent, or while a dependency is unavailable."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import ApiServer, run_api_server, wait_until
from tests.integration.api.test_job_forms import load_job, pending_upload_count, stored_bytes
from tests.integration.media.conftest import s3_client
from tests.support.multipart_forms import (
    ALIAS_URL,
    EFFECTS,
    PROCESS_URL,
    form_fields,
    form_files,
    new_idempotency_headers,
    video_bytes,
)
from videojobs.db import JobRepository, VideoJob, get_engine
from videojobs.errors import DatabaseUnavailable
from videojobs.storage.object_store import ObjectStore

# ---- repeated requests -------------------------------------------------------------------------------------


async def test_a_repeated_post_returns_the_first_job_and_stores_once(
    api: ApiServer, http: httpx.AsyncClient, user: str, service_variables: dict[str, str]
) -> None:
    once = new_idempotency_headers()
    first = await http.post(PROCESS_URL, files=form_files(), data=form_fields(), headers=once)
    again = await http.post(
        ALIAS_URL, files=form_files(), data=form_fields(effects=json.dumps(json.dumps(EFFECTS))), headers=once
    )
    assert first.json()["job_id"] == again.json()["job_id"]
    assert len(api.stored_keys(user)) == 3
    assert await pending_upload_count(service_variables, user) == 0


async def test_five_simultaneous_posts_of_one_key_create_one_job(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    once = new_idempotency_headers()
    sent = await asyncio.gather(
        *(http.post(PROCESS_URL, files=form_files(), data=form_fields(), headers=once) for _ in range(5))
    )
    assert [answer.status_code for answer in sent] == [202] * 5
    assert len({answer.json()["job_id"] for answer in sent}) == 1
    assert len(api.stored_keys(user)) == 3


@pytest.mark.parametrize("change", ["another video", "another name"])
async def test_reusing_a_key_for_another_request_is_a_409(
    api: ApiServer, http: httpx.AsyncClient, user: str, change: str
) -> None:
    once = new_idempotency_headers()
    await http.post(PROCESS_URL, files=form_files(), data=form_fields(), headers=once)
    other: dict[str, Any] = (
        {"files": form_files(video_bytes(2001))} if change == "another video" else {"files": form_files()}
    )
    data = form_fields(display_name="B") if change == "another name" else form_fields()
    answer = await http.post(PROCESS_URL, data=data, headers=once, **other)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert len(api.stored_keys(user)) == 3


# ---- while a dependency is unavailable ------------------------------------------------------------------------


async def test_a_post_gets_503_while_prefect_is_down(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    api.prefect.down_before_start = True
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert api.stored_keys(user) == []


async def test_a_recorded_job_starts_once_prefect_is_back(api: ApiServer, http: httpx.AsyncClient) -> None:
    api.prefect.down_at_start = True
    job = await load_job(api, await http.post(PROCESS_URL, files=form_files(), data=form_fields()))
    assert api.prefect.started == []
    api.prefect.down_at_start = False
    await wait_until(lambda: job.id in api.prefect.started)


async def test_a_restarted_api_launches_pending_jobs(
    api: ApiServer, http: httpx.AsyncClient, service_variables: dict[str, str]
) -> None:
    api.prefect.down_at_start = True
    job = await load_job(api, await http.post(PROCESS_URL, files=form_files(), data=form_fields()))
    with run_api_server(service_variables, launch_retry_seconds=0.1) as second_api:
        await wait_until(lambda: job.id in second_api.prefect.started)
    api.prefect.down_at_start = False
    await wait_until(lambda: job.id in api.prefect.started)  # the first API starts it too, and Prefect has one run


class CommitThenDisconnect(JobRepository):
    """Creates the job, and loses the first response."""

    lost_responses = 0

    async def create(self, *args: Any, **more: Any) -> VideoJob:
        job = await super().create(*args, **more)
        if not CommitThenDisconnect.lost_responses:
            CommitThenDisconnect.lost_responses += 1
            raise DatabaseUnavailable("the connection broke off after the commit")
        return job


async def test_a_commit_with_a_lost_reply_creates_one_job(
    api: ApiServer,
    http: httpx.AsyncClient,
    user: str,
    service_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def disconnecting_repository() -> JobRepository:
        return CommitThenDisconnect(get_engine(service_variables["DATABASE_URL"]))

    monkeypatch.setattr(api.services, "repository", disconnecting_repository)
    job = await load_job(api, await http.post(PROCESS_URL, files=form_files(), data=form_fields()))
    assert CommitThenDisconnect.lost_responses == 1
    assert stored_bytes(api, job.request["video"]) == video_bytes()
    assert len(await api.repository.list_jobs(user, limit=10)) == 1


async def test_a_post_gets_503_while_the_storage_is_down(
    api: ApiServer, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = ObjectStore(s3_client(1, "key", "secret"), "videojobs")  # nothing listens on that port

    async def store(job: VideoJob | None = None) -> ObjectStore:
        return away

    monkeypatch.setattr(api.services, "store", store)
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert (await api.repository.list_jobs(user, limit=10)) == []
