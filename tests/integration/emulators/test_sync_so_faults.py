"""Sync.so emulator: limits, and every fault that a test can inject."""

import httpx
import pytest

from tests.support.sync_so_emulator import SyncSoEmulatorClient


def submission_count(sync_so: SyncSoEmulatorClient) -> int:
    return len(sync_so.program.dump_state()["submissions"])


def test_the_concurrency_limit_reports_active_generations(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(processing_seconds=3600, concurrency_limit=1):
        running = sync_so.submit_and_get_id(sync_so.make_body(), key="limited")
        answer = sync_so.submit(sync_so.make_body())
        assert sync_so.submit_and_get_id(sync_so.make_body(), key="limited") == running  # a replay takes no slot
    assert answer.status_code == 429
    assert (
        answer.json().items()
        >= {
            "statusCode": 429,
            "errorCode": "concurrency_limit_reached",
            "activeGenerations": 1,
            "concurrencyLimit": 1,
        }.items()
    )
    assert {"retryAfterSeconds", "upgradeUrl"} <= set(answer.json())
    sync_so.wait_until_done(running)
    sync_so.submit_and_get_id(sync_so.make_body())


def test_one_request_can_be_rejected_for_concurrency(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("no_free_slot", match="unlucky")
    answers = [sync_so.submit(sync_so.make_body(outputFileName=name)) for name in ("lucky", "unlucky")]
    assert [answer.status_code for answer in answers] == [201, 429]
    assert answers[1].json()["errorCode"] == "concurrency_limit_reached"


def test_a_rate_limited_request_gets_a_429(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("rate_limited")
    assert sync_so.submit(sync_so.make_body()).json() == {
        "statusCode": 429,
        "errorCode": "rate_limit_exceeded",
        "message": "Rate limit exceeded. Please try again later.",
        "error": "Too Many Requests",
    }


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_gateway_error_can_precede_or_follow_acceptance(
    sync_so: SyncSoEmulatorClient, status: int, when: str, more: int
) -> None:
    before = submission_count(sync_so)
    sync_so.program.inject_fault("http_error", status=status, when=when)
    answer = sync_so.submit(sync_so.make_body())
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert submission_count(sync_so) == before + more


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_reset_can_precede_or_follow_acceptance(sync_so: SyncSoEmulatorClient, when: str, more: int) -> None:
    before = submission_count(sync_so)
    sync_so.program.inject_fault("reset", when=when)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        sync_so.submit(sync_so.make_body())
    assert submission_count(sync_so) == before + more


def test_an_after_fault_skips_a_rejected_request(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("http_error", when="after")
    assert sync_so.submit(sync_so.make_body(model="none")).status_code == 422
    assert sync_so.submit(sync_so.make_body()).status_code == 502
    assert sync_so.program.control("GET", "faults").json() == []


def test_a_fault_hits_only_matching_requests(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("http_error", match="name-of-one", times=2)
    assert sync_so.submit(sync_so.make_body(outputFileName="name-of-another")).status_code == 201
    hit = [sync_so.submit(sync_so.make_body(outputFileName="name-of-one")).status_code for _ in range(3)]
    assert hit == [502, 502, 201]


def test_a_status_fault_matches_the_submitted_body(sync_so: SyncSoEmulatorClient) -> None:
    mine = sync_so.submit_and_get_id(sync_so.make_body(outputFileName="mine"))
    other = sync_so.submit_and_get_id(sync_so.make_body(outputFileName="other"))
    sync_so.program.inject_fault("http_error", on="status", match="mine", status=504)
    assert sync_so.get_generation(other).status_code == 200
    assert sync_so.get_generation(mine).status_code == 504
    assert sync_so.get_generation(mine).status_code == 200


def test_a_response_can_be_malformed_json(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("malformed", when="after")
    answer = sync_so.submit(sync_so.make_body())
    assert answer.status_code == 201
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()


def test_a_response_can_be_slow(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("slow", seconds=0.3)
    answer = sync_so.submit(sync_so.make_body())
    assert answer.status_code == 201
    assert answer.elapsed.total_seconds() >= 0.3


@pytest.mark.parametrize(("status", "code"), [("FAILED", "generation_timeout"), ("REJECTED", "account_on_hold")])
def test_any_failure_status_can_be_forced(sync_so: SyncSoEmulatorClient, status: str, code: str) -> None:
    sync_so.program.inject_fault("ends", status=status, errorCode=code, error="because")
    generation = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_body()))
    assert (generation["status"], generation["errorCode"], generation["error"]) == (status, code, "because")
    assert sync_so.submission_record(generation["id"])["cost"] == 0


def test_a_download_can_be_truncated_and_a_link_can_expire(sync_so: SyncSoEmulatorClient) -> None:
    url = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_body()))["outputUrl"]
    sync_so.program.inject_fault("truncated_download")
    with pytest.raises(httpx.RemoteProtocolError):
        sync_so.program.http.get(url, follow_redirects=True)
    sync_so.program.inject_fault("expired_link")
    assert sync_so.program.http.get(url, follow_redirects=True).status_code == 403
    assert sync_so.program.http.get(url, follow_redirects=True).status_code == 200


def test_unknown_faults_and_settings_are_rejected_by_name(sync_so: SyncSoEmulatorClient) -> None:
    assert sync_so.program.control("POST", "faults", {"kind": "earthquake"}).status_code == 422
    refused = sync_so.program.control("PATCH", "settings", {"colour": 1})
    assert (refused.status_code, refused.json()["problems"][0].split(":")[0]) == (422, "colour")


def test_pending_faults_can_be_cleared(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.program.inject_fault("http_error", times=9)
    sync_so.program.control("DELETE", "faults")
    assert sync_so.submit(sync_so.make_body()).status_code == 201
