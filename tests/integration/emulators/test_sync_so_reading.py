"""Sync.so emulator: the sequence of statuses, long polls, lists, links, deletion, and informational endpoints."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.sync_so_emulator import SyncSoEmulatorClient

ONE_HOUR_SECONDS = 3600.0  # seconds of processing: until the test moves the clock


def test_a_generation_goes_from_pending_to_completed(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS):
        identity = sync_so.submit_and_get_id(sync_so.make_body())
        assert sync_so.get_generation(identity).json()["status"] == "PENDING"
        sync_so.program.update_settings(processing_seconds=0)
        assert sync_so.wait_until_done(identity)["status"] == "COMPLETED"
    assert sync_so.submission_record(identity)["polls"] == 2


def test_unset_fields_are_explicit_nulls(sync_so: SyncSoEmulatorClient) -> None:
    generation = sync_so.submit(sync_so.make_body()).json()
    unset = ("webhookUrl", "outputUrl", "outputMediaUrl", "segmentOutputUrl", "outputDuration", "error")
    assert {generation[name] for name in (*unset, "errorCode", "projectId", "outputFileName")} == {None}
    assert generation["createdAt"].endswith("Z")


def test_a_long_poll_returns_when_the_generation_ends(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS), ThreadPoolExecutor(1) as pool:
        identity = sync_so.submit_and_get_id(sync_so.make_body())
        waiting = pool.submit(sync_so.get_generation, identity, wait="true", timeout=10)
        sync_so.program.update_settings(processing_seconds=0)
        answer = waiting.result(timeout=10)
    assert answer.json()["status"] == "COMPLETED"
    assert answer.elapsed.total_seconds() < 5
    assert answer.headers["x-sync-wait-mode"] == "long_poll"
    assert answer.headers["x-sync-wait-timeout-seconds"] == "10"
    assert answer.headers["retry-after"] == "2"


def test_a_long_poll_returns_at_its_timeout(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS):
        identity = sync_so.submit_and_get_id(sync_so.make_body())
        begin = time.monotonic()
        assert sync_so.get_generation(identity, wait="true", timeout=1).json()["status"] == "PENDING"
        assert 0.9 < time.monotonic() - begin < 3


@pytest.mark.parametrize(
    "query", [{"timeout": 0}, {"timeout": 11}, {"timeout": "soon"}, {"include": "progress", "timeout": 5}]
)
def test_an_invalid_long_poll_is_rejected(sync_so: SyncSoEmulatorClient, query: dict[str, str]) -> None:
    assert (
        sync_so.get_generation(sync_so.submit_and_get_id(sync_so.make_body()), wait="true", **query).status_code == 400
    )


def test_progress_is_included_on_request(sync_so: SyncSoEmulatorClient) -> None:
    identity = sync_so.submit_and_get_id(sync_so.make_body())
    sync_so.wait_until_done(identity)
    assert sync_so.get_generation(identity, include="progress").json()["progress_percent"] == 100
    assert "progress_percent" not in sync_so.get_generation(identity).json()
    with sync_so.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS):
        waiting = sync_so.submit_and_get_id(sync_so.make_body())
        assert sync_so.get_generation(waiting, include="progress").json()["progress_percent"] < 100


@pytest.mark.parametrize(
    ("identity", "status", "code"),
    [
        ("not-a-uuid", 400, "invalid_generation_id"),
        ("00000000-0000-4000-8000-000000000000", 404, "generation_not_found"),
    ],
)
def test_an_invalid_or_unknown_id_is_rejected(
    sync_so: SyncSoEmulatorClient, identity: str, status: int, code: str
) -> None:
    answer = sync_so.get_generation(identity)
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)


def test_the_list_is_newest_first_and_pages_by_cursor(sync_so: SyncSoEmulatorClient) -> None:
    made = [sync_so.submit_and_get_id(sync_so.make_body()) for _ in range(3)]
    first = sync_so.http.get("/v2/generations", params={"limit": 2}).json()
    assert [row["id"] for row in first] == [made[2], made[1]]
    rest = sync_so.http.get("/v2/generations", params={"limit": 1, "cursor": made[1]}).json()
    assert [row["id"] for row in rest] == [made[0]]


def test_the_list_is_filtered_by_status_and_ids(sync_so: SyncSoEmulatorClient) -> None:
    done = sync_so.submit_and_get_id(sync_so.make_body())
    failed = sync_so.submit_and_get_id(
        sync_so.make_body(input=[sync_so.video_input("text.mp4"), sync_so.audio_input("x", "audio-1")])
    )
    sync_so.wait_until_done(done), sync_so.wait_until_done(failed)
    query = {"ids": f"{done},{failed}", "status": "FAILED,REJECTED"}
    assert [row["id"] for row in sync_so.http.get("/v2/generations", params=query).json()] == [failed]
    both = sync_so.http.get("/v2/generations", params={"ids": f"{done},{failed}"}).json()
    assert {row["id"] for row in both} == {done, failed}
    assert sync_so.http.get("/v2/generations", params={"projectId": "other"}).json() == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"cursor": "a"}, {"status": "DONE"}])
def test_an_invalid_list_query_is_rejected(sync_so: SyncSoEmulatorClient, query: dict[str, str]) -> None:
    assert sync_so.http.get("/v2/generations", params=query).status_code == 400


def test_generations_are_counted(sync_so: SyncSoEmulatorClient) -> None:
    before = sync_so.http.get("/v2/generations/count").json()["count"]
    sync_so.submit_and_get_id(sync_so.make_body())
    assert sync_so.http.get("/v2/generations/count").json()["count"] == before + 1


def test_only_a_finished_generation_can_be_deleted(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS):
        identity = sync_so.submit_and_get_id(sync_so.make_body())
        refused = sync_so.http.delete(f"/v2/generations/{identity}")
        assert refused.status_code == 409
        assert refused.json()["errorCode"] == "generation_not_deletable_while_processing"
        assert sync_so.http.post(f"/v2/generate/{identity}/cancel").status_code == 404
    sync_so.wait_until_done(identity)
    assert sync_so.http.delete(f"/v2/generations/{identity}").status_code == 204
    assert sync_so.get_generation(identity).status_code == 404


def test_the_error_catalog_needs_no_key(sync_so: SyncSoEmulatorClient) -> None:
    catalog = sync_so.program.http.get(f"{sync_so.program.url}/v2/errors").json()
    assert {"code", "message", "suggestion"} == set(catalog[0])
    assert "concurrency_limit_reached" in {entry["code"] for entry in catalog}


def test_the_available_models_are_listed(sync_so: SyncSoEmulatorClient) -> None:
    roster = {model["name"]: model for model in sync_so.http.get("/v2/models").json()}
    assert {"sync-3", "lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta", "react-1"} == set(roster)
    assert roster["react-1"]["type"] == "react"
    assert roster["lipsync-2"]["deprecatedAt"] is None


@pytest.mark.parametrize("path", ["/v2/generations/estimate", "/v2/generate/estimate-cost"])
def test_a_cost_is_estimated_from_a_duration(sync_so: SyncSoEmulatorClient, path: str) -> None:
    estimate = sync_so.http.post(path, json={"model": "lipsync-2", "duration": 10}).json()
    assert estimate == {
        "estimatedFrameCount": 300,
        "estimatedGenerationCost": 0.5,
        "estimatedCredits": None,
    }
    refused = sync_so.http.post(path, json={"model": "none", "duration": 10})
    assert (refused.status_code, refused.json()["errorCode"]) == (422, "cost_estimate_unavailable")


def test_a_cost_estimate_creates_no_generation(sync_so: SyncSoEmulatorClient) -> None:
    before = len(sync_so.program.dump_state()["submissions"])
    estimate = sync_so.http.post("/v2/analyze/cost", json=sync_so.make_film_body()).json()
    assert estimate == [{"estimatedFrameCount": 100, "estimatedGenerationCost": 0.2}]
    assert len(sync_so.program.dump_state()["submissions"]) == before
