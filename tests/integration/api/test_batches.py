"""Batches: all jobs or none, once; counts, cancellation and retry."""

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import ApiServer, run_api_server
from tests.integration.api.test_estimates import set_budget
from tests.support.multipart_forms import SEGMENTS, new_idempotency_headers
from videojobs.db import Lease
from videojobs.db.tokens import Scope
from videojobs.testing.fault_injection import BATCH_POINTS

BATCHES_URL = "/api/v1/batches"
ROOT = Path(__file__).resolve().parents[3]
CSV_TYPE = {"Content-Type": "text/csv"}
CREATE_A_BATCH = """
import asyncio, os, sys
from tests.support.example_request import make_request
from videojobs.db import JobRepository, get_engine

async def main():
    repository = JobRepository(get_engine(os.environ["DATABASE_URL"]))
    requests = [make_request(user_id=sys.argv[2], display_name=f"row {number}") for number in range(1, 6)]
    batch = await repository.create_batch(
        sys.argv[1], requests, user_id=sys.argv[2], actor="test", connections={}, client_key="order-1"
    )
    print(batch.id)

asyncio.run(main())
"""


def make_row(**changes: Any) -> dict[str, Any]:
    audio = [{"refId": name, "source": f"https://example.com/{name}.wav"} for name in ("audio-1", "audio-2")]
    return {"video": "https://example.com/v.mp4", "audio": audio, "segments": SEGMENTS} | changes


def to_csv(*lines: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


async def create(http: httpx.AsyncClient, rows: int = 3, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await http.post(
        BATCHES_URL,
        json=[make_row(display_name=f"row {number}") for number in range(1, rows + 1)],
        headers=headers or {},
    )
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def job_count(http: httpx.AsyncClient) -> int:
    return len((await http.get("/api/v1/jobs?limit=200")).json()["jobs"])


async def refused_fields(http: httpx.AsyncClient, **sent: Any) -> list[str]:
    answer = await http.post(BATCHES_URL, **sent)
    assert answer.status_code == 422, answer.text
    assert await job_count(http) == 0
    return [item["field"] for item in answer.json()["problems"]]


# ---- creation ----------------------------------------------------------------------------------------------


async def test_each_row_of_a_batch_becomes_a_job(api: ApiServer, http: httpx.AsyncClient) -> None:
    batch = await create(http)
    assert [(row["number"], row["job"]["display_name"]) for row in batch["jobs"]] == [
        (1, "row 1"),
        (2, "row 2"),
        (3, "row 3"),
    ]
    assert (batch["rows"], batch["by_status"], batch["progress"]) == (3, {"pending": 3}, 0)
    ids = {row["job"]["job_id"] for row in batch["jobs"]}
    assert ids <= set(api.prefect.started)
    assert (await http.get(BATCHES_URL)).json()["batches"][0]["batch_id"] == batch["batch_id"]


async def test_the_same_key_returns_the_same_batch(http: httpx.AsyncClient) -> None:
    key = new_idempotency_headers()
    first, second = await asyncio.gather(create(http, headers=key), create(http, headers=key))
    assert first["batch_id"] == second["batch_id"]
    assert await job_count(http) == 3
    other = await http.post(BATCHES_URL, json=[make_row()], headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "request_conflict")
    assert await job_count(http) == 3


async def test_a_row_whose_key_a_job_has_stops_the_batch(http: httpx.AsyncClient) -> None:
    key = new_idempotency_headers()["Idempotency-Key"]
    await http.post("/api/v1/jobs", json=make_row(), headers={"Idempotency-Key": f"{key}/2"})
    answer = await http.post(BATCHES_URL, json=[make_row()] * 3, headers={"Idempotency-Key": key})
    assert answer.status_code == 409
    assert await job_count(http) == 1
    assert (await http.get(BATCHES_URL)).json()["batches"] == []


async def test_one_bad_row_stops_the_whole_batch(http: httpx.AsyncClient) -> None:
    rows = [make_row(), make_row(colour=1), make_row(user_id="victim"), make_row(video="s3://videojobs/users/x/v.mp4")]
    assert await refused_fields(http, json=rows) == ["rows[2].colour", "rows[3].user_id", "rows[4].video"]


async def test_a_batch_beyond_the_daily_budget_is_refused(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = 1_000_000  # other tests' jobs
    set_budget(monkeypatch, day_usd=str(spent))
    await create(http, 1)
    set_budget(monkeypatch, day_usd="0.0001")
    answer = await http.post(BATCHES_URL, json=[make_row()])
    assert [(item["field"], item["code"]) for item in answer.json()["problems"]] == [("request", "budget_exceeded")]
    assert await job_count(http) == 1


@pytest.mark.parametrize("body", [[], {}, [1], "x"])
async def test_a_body_that_is_no_list_of_objects_is_refused(http: httpx.AsyncClient, body: Any) -> None:
    assert await refused_fields(http, json=body) in (["request"], ["rows[1]"])


async def test_too_many_rows_are_refused(service_variables: dict[str, str], user: str) -> None:
    lines = [["video", "text_removal"], *[["https://example.com/v.mp4", "whole_frame"]] * 3]
    with run_api_server(service_variables, max_batch_rows=2) as api:
        async with await api.create_client(user) as http:
            assert await refused_fields(http, json=[make_row()] * 3) == ["request"]
            assert await refused_fields(http, content=to_csv(*lines), headers=CSV_TYPE) == ["request"]


# ---- CSV ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_file", [True, False])
async def test_a_csv_file_becomes_jobs(api: ApiServer, http: httpx.AsyncClient, as_file: bool) -> None:
    segments = json.dumps([{"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}}])
    content = b"\xef\xbb\xbf" + to_csv(
        ["display_name", "video", "audio", "segments", "text_removal"],
        ["Élan, one", "https://example.com/1.mp4", "https://example.com/1.wav", segments, ""],
        ["", "", "", "", ""],
        ["two", "https://example.com/2.mp4", "", "", "whole_frame"],
    )
    if as_file:
        answer = await http.post(BATCHES_URL, files={"file": ("jobs.csv", content, "text/csv")})
    else:
        answer = await http.post(BATCHES_URL, content=content, headers=CSV_TYPE)
    assert answer.status_code == 202, answer.text
    one, two = [await api.repository.get_job(row["job"]["job_id"]) for row in answer.json()["jobs"]]
    assert (one.display_name, one.request["audio"]) == (
        "Élan, one",
        [{"refId": "audio-1", "source": "https://example.com/1.wav"}],
    )
    assert [stage.value for stage in one.stages] == ["lip_sync"]
    assert [stage.value for stage in two.stages] == ["text_removal"]


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (to_csv(["video", "colour"], ["https://example.com/v.mp4", "red"]), ["header"]),
        (to_csv(["video", "video"], ["https://example.com/v.mp4", "x"]), ["header"]),
        (to_csv(["audio"], ["https://example.com/v.wav"]), ["header"]),
        (to_csv(["video", "text_removal"], ["https://example.com/v.mp4"]), ["rows[1]"]),
        (to_csv(["video", "segments"], ["https://example.com/v.mp4", "{"]), ["rows[1].segments"]),
        (to_csv(["video", "text_removal"]), ["request"]),
        (b'video,text_removal\n"https://example.com', ["request"]),
        (b"video\n" + b"x" * 200_000, ["request"]),
        (b"", ["header"]),
    ],
)
async def test_a_bad_csv_file_is_refused(http: httpx.AsyncClient, content: bytes, fields: list[str]) -> None:
    assert sorted(set(await refused_fields(http, content=content, headers=CSV_TYPE))) == fields


async def test_a_form_without_a_file_is_refused(http: httpx.AsyncClient) -> None:
    assert await refused_fields(http, files={"other": ("jobs.csv", b"video", "text/csv")}) == ["file"]
    broken = await http.post(BATCHES_URL, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert broken.status_code == 400


# ---- afterwards --------------------------------------------------------------------------------------------


async def test_the_rows_of_a_batch_come_in_pages(http: httpx.AsyncClient) -> None:
    url = f"{BATCHES_URL}/{(await create(http, 5))['batch_id']}"
    first = (await http.get(url, params={"limit": 3})).json()
    second = (await http.get(url, params={"limit": 3, "after": first["next_row"]})).json()
    assert [row["number"] for row in first["jobs"] + second["jobs"]] == [1, 2, 3, 4, 5]
    assert second["next_row"] is None


async def test_batches_come_in_pages(http: httpx.AsyncClient) -> None:
    ids = [(await create(http, 1))["batch_id"] for _ in range(3)]
    first = (await http.get(BATCHES_URL, params={"limit": 2})).json()
    second = (await http.get(BATCHES_URL, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [batch["batch_id"] for batch in first["batches"] + second["batches"]] == ids[::-1]


async def test_cancel_and_retry_change_only_the_jobs_they_fit(api: ApiServer, http: httpx.AsyncClient) -> None:
    batch = await create(http)
    url, ids = f"{BATCHES_URL}/{batch['batch_id']}", [row["job"]["job_id"] for row in batch["jobs"]]
    lease = Lease(ids[0], "run-1/1")
    assert await api.repository.acquire_lease(lease, 60) is None
    await api.repository.fail(lease, "the video is black")
    assert (await http.post(f"{url}/cancel")).json() == {
        "batch_id": batch["batch_id"],
        "changed": ids[1:],
        "skipped": ids[:1],
    }
    assert ids[0] not in api.prefect.stopped
    shown = (await http.get(url)).json()
    assert (shown["by_status"], shown["progress"]) == ({"failed": 1, "cancelled": 2}, 100)
    again = (await http.post(f"{url}/cancel")).json()
    assert again["changed"] == []
    await http.post(f"/api/v1/jobs/{ids[1]}/retry")
    assert (await http.post(f"{url}/retry")).json()["changed"] == ids
    assert set(ids) <= set(api.prefect.retried)


async def test_a_batch_is_hidden_from_other_users(api: ApiServer, http: httpx.AsyncClient) -> None:
    url = f"{BATCHES_URL}/{(await create(http))['batch_id']}"
    async with await api.create_client("somebody-else") as other:
        answers = [await other.get(url), await other.post(f"{url}/cancel"), await other.post(f"{url}/retry")]
        missing = await other.get(f"{BATCHES_URL}/{uuid.uuid4()}")
        assert (await other.get(BATCHES_URL)).json()["batches"] == []
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, missing.text)}
    async with await api.create_client("boss", Scope.ADMIN, Scope.READ) as admin:
        assert (await admin.get(url)).status_code == 200
    assert (await http.get(f"{BATCHES_URL}/%00")).status_code == 404


async def test_a_token_for_reading_starts_no_batch(api: ApiServer, user: str) -> None:
    async with await api.create_client(user, Scope.READ) as reader:
        assert (await reader.post(BATCHES_URL, json=[make_row()])).status_code == 403
        assert (await reader.get(BATCHES_URL)).status_code == 200


# ---- crashes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", BATCH_POINTS)
async def test_a_killed_creation_leaves_all_jobs_or_none(
    api: ApiServer, service_variables: dict[str, str], user: str, tmp_path: Path, point: str
) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": service_variables["DATABASE_URL"],
        "VIDEOJOBS_FAULT_DIR": str(tmp_path),
    }

    async def run() -> tuple[int, str]:
        command = [sys.executable, "-c", CREATE_A_BATCH, str(uuid.uuid5(uuid.NAMESPACE_URL, user)), user]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, timeout=120, check=False
        )
        return done.returncode, done.stdout.decode().strip()

    batch_id = str(uuid.uuid5(uuid.NAMESPACE_URL, user))
    armed = tmp_path / f"{batch_id}.json"
    armed.write_text(json.dumps({"point": point, "nth": 1, "action": "kill"}))
    assert (await run())[0] == -signal.SIGKILL
    after_crash = await api.repository.list_jobs(user, limit=100)
    assert len(after_crash) == (5 if point.endswith("after_commit") else 0)
    armed.unlink()
    assert await run() == (0, batch_id)
    jobs = await api.repository.list_jobs(user, limit=100)
    assert len(jobs) == 5, "the same key gives the same jobs"
    assert {job.id for job in after_crash} <= {job.id for job in jobs}
