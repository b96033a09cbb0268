"""Sync.so emulator: limits, and everything that a test can let go wrong."""

import httpx
import pytest

from tests.emulators.sync_so_desk import SyncSoDesk


def made(sync_so: SyncSoDesk) -> int:
    return len(sync_so.program.books()["submissions"])


def test_the_concurrency_limit_tells_how_busy_it_is(sync_so: SyncSoDesk) -> None:
    with sync_so.program.settings(processing_seconds=3600, concurrency_limit=1):
        running = sync_so.accepted(sync_so.body(), key="limited")
        answer = sync_so.submit(sync_so.body())
        assert sync_so.accepted(sync_so.body(), key="limited") == running  # a replay takes no slot
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
    sync_so.ended(running)
    sync_so.accepted(sync_so.body())


def test_one_request_can_be_told_that_there_is_no_slot(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("no_free_slot", match="unlucky")
    answers = [sync_so.submit(sync_so.body(outputFileName=name)) for name in ("lucky", "unlucky")]
    assert [answer.status_code for answer in answers] == [201, 429]
    assert answers[1].json()["errorCode"] == "concurrency_limit_reached"


def test_the_rate_limit_is_the_plain_429(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("rate_limited")
    assert sync_so.submit(sync_so.body()).json() == {
        "statusCode": 429,
        "errorCode": "rate_limit_exceeded",
        "message": "Rate limit exceeded. Please try again later.",
        "error": "Too Many Requests",
    }


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_gateway_error_comes_before_or_after_the_request_is_taken(
    sync_so: SyncSoDesk, status: int, when: str, more: int
) -> None:
    before = made(sync_so)
    sync_so.program.arm("http_error", status=status, when=when)
    answer = sync_so.submit(sync_so.body())
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert made(sync_so) == before + more


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset_before_or_after_the_request_is_taken(sync_so: SyncSoDesk, when: str, more: int) -> None:
    before = made(sync_so)
    sync_so.program.arm("reset", when=when)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        sync_so.submit(sync_so.body())
    assert made(sync_so) == before + more


def test_a_fault_after_acceptance_waits_for_a_request_that_is_accepted(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("http_error", when="after")
    assert sync_so.submit(sync_so.body(model="none")).status_code == 422
    assert sync_so.submit(sync_so.body()).status_code == 502
    assert sync_so.program.control("GET", "faults").json() == []


def test_a_fault_hits_only_the_requests_that_carry_its_text(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("http_error", match="name-of-one", times=2)
    assert sync_so.submit(sync_so.body(outputFileName="name-of-another")).status_code == 201
    hit = [sync_so.submit(sync_so.body(outputFileName="name-of-one")).status_code for _ in range(3)]
    assert hit == [502, 502, 201]


def test_a_fault_on_the_status_knows_what_the_generation_was_submitted_with(sync_so: SyncSoDesk) -> None:
    mine = sync_so.accepted(sync_so.body(outputFileName="mine"))
    other = sync_so.accepted(sync_so.body(outputFileName="other"))
    sync_so.program.arm("http_error", on="status", match="mine", status=504)
    assert sync_so.get(other).status_code == 200
    assert sync_so.get(mine).status_code == 504
    assert sync_so.get(mine).status_code == 200


def test_an_answer_can_be_no_json(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("malformed", when="after")
    answer = sync_so.submit(sync_so.body())
    assert answer.status_code == 201
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()


def test_an_answer_can_be_late(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("slow", seconds=0.3)
    answer = sync_so.submit(sync_so.body())
    assert answer.status_code == 201
    assert answer.elapsed.total_seconds() >= 0.3


@pytest.mark.parametrize(("status", "code"), [("FAILED", "generation_timeout"), ("REJECTED", "account_on_hold")])
def test_a_generation_can_be_made_to_end_badly(sync_so: SyncSoDesk, status: str, code: str) -> None:
    sync_so.program.arm("ends", status=status, errorCode=code, error="because")
    generation = sync_so.ended(sync_so.accepted(sync_so.body()))
    assert (generation["status"], generation["errorCode"], generation["error"]) == (status, code, "because")
    assert sync_so.entry(generation["id"])["cost"] == 0


def test_a_download_can_break_off_and_a_link_can_expire(sync_so: SyncSoDesk) -> None:
    url = sync_so.ended(sync_so.accepted(sync_so.body()))["outputUrl"]
    sync_so.program.arm("truncated_download")
    with pytest.raises(httpx.RemoteProtocolError):
        sync_so.program.http.get(url, follow_redirects=True)
    sync_so.program.arm("expired_link")
    assert sync_so.program.http.get(url, follow_redirects=True).status_code == 403
    assert sync_so.program.http.get(url, follow_redirects=True).status_code == 200


def test_unknown_faults_and_settings_are_refused_by_name(sync_so: SyncSoDesk) -> None:
    assert sync_so.program.control("POST", "faults", {"kind": "earthquake"}).status_code == 422
    refused = sync_so.program.control("PATCH", "settings", {"colour": 1})
    assert (refused.status_code, refused.json()["problems"][0].split(":")[0]) == (422, "colour")


def test_armed_faults_can_be_disarmed(sync_so: SyncSoDesk) -> None:
    sync_so.program.arm("http_error", times=9)
    sync_so.program.control("DELETE", "faults")
    assert sync_so.submit(sync_so.body()).status_code == 201
