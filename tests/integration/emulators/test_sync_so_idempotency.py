"""Sync.so emulator: one key, one generation."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.sync_so_emulator import SyncSoEmulatorClient


def test_the_same_key_and_request_give_the_first_generation(sync_so: SyncSoEmulatorClient) -> None:
    first = sync_so.submit_and_get_id(sync_so.make_body(), key="key-1")
    before = len(sync_so.program.dump_state()["submissions"])
    assert sync_so.submit_and_get_id(sync_so.make_body(), key="key-1") == first
    with sync_so.program.temporary_settings(replay_status=200):
        again = sync_so.submit(sync_so.make_body(), key="key-1")
    assert (again.status_code, again.json()["id"]) == (200, first)
    assert len(sync_so.program.dump_state()["submissions"]) == before
    assert sync_so.submission_record(first)["replays"] == 2
    assert sync_so.submission_record(first)["idempotency_key"] == "key-1"


def test_field_order_does_not_change_the_request(sync_so: SyncSoEmulatorClient) -> None:
    first = sync_so.submit_and_get_id(sync_so.make_body(), key="key-2")
    turned = json.loads(json.dumps(sync_so.make_body(), sort_keys=True))
    assert sync_so.submit_and_get_id(turned, key="key-2") == first


def test_reusing_a_key_for_another_request_is_a_409(sync_so: SyncSoEmulatorClient) -> None:
    sync_so.submit_and_get_id(sync_so.make_body(), key="key-3")
    answer = sync_so.submit(sync_so.make_body(model="lipsync-2-pro"), key="key-3")
    assert answer.status_code == 409
    assert answer.json()["errorCode"].startswith("IDEMPOTENCY_")


def test_keys_are_case_sensitive(sync_so: SyncSoEmulatorClient) -> None:
    assert sync_so.submit_and_get_id(sync_so.make_body(), key="key-x") != sync_so.submit_and_get_id(
        sync_so.make_body(), key="KEY-X"
    )


@pytest.mark.parametrize("key", ["", "with space", "a" * 129, "a/b"])
def test_a_malformed_key_is_rejected(sync_so: SyncSoEmulatorClient, key: str) -> None:
    answer = sync_so.submit(sync_so.make_body(), key=key)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_IDEMPOTENCY_KEY")


def test_two_keys_in_one_request_are_rejected(sync_so: SyncSoEmulatorClient) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = sync_so.http.post("/v2/generate", json=sync_so.make_body(), headers=headers)
    assert answer.json()["errorCode"] == "INVALID_IDEMPOTENCY_KEY"


def test_a_rejected_request_leaves_its_key_unused(sync_so: SyncSoEmulatorClient) -> None:
    assert sync_so.submit(sync_so.make_body(model="none"), key="key-4").status_code == 422
    sync_so.submit_and_get_id(sync_so.make_body(), key="key-4")


def test_concurrent_duplicates_get_one_generation(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(plan_duration=60), ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda _: sync_so.submit_and_get_id(sync_so.make_body(), key="key-5"), range(4)))
    assert len(ids) == 1


@pytest.mark.parametrize("with_id", [True, False])
def test_an_unknown_outcome_hides_a_generation_that_exists(sync_so: SyncSoEmulatorClient, with_id: bool) -> None:
    key = f"key-unknown-{with_id}"
    sync_so.program.inject_fault("outcome_unknown", with_id=with_id)
    answer = sync_so.submit(sync_so.make_body(), key=key)
    assert (answer.status_code, answer.json()["errorCode"]) == (503, "IDEMPOTENCY_OUTCOME_UNKNOWN")
    found = sync_so.submit_and_get_id(sync_so.make_body(), key=key)
    assert answer.json().get("generationId") == (found if with_id else None)


def test_a_form_sent_twice_with_one_key_is_one_request(sync_so: SyncSoEmulatorClient) -> None:
    def send() -> str:
        answer = sync_so.http.post(
            "/v2/generate",
            data={"model": "lipsync-2", "input": json.dumps([sync_so.video_input()])},
            files={"audio": ("a.wav", b"the same bytes")},
            headers={"Idempotency-Key": "key-form"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    assert send() == send()
