"""Sync.so emulator: webhooks, signed and sent once."""

import hashlib
import hmac
import time

import pytest

from deployments.local.emulators.sync_so.webhooks import signature_header
from tests.support.callback_receiver import CallbackReceiver, Delivery
from tests.support.sync_so_emulator import WEBHOOK_SECRET, SyncSoEmulatorClient


def is_genuine(delivery: Delivery) -> bool:
    moment, given = (part.split("=")[1] for part in delivery.headers["sync-signature"].split(","))
    right = hmac.new(WEBHOOK_SECRET.encode(), f"{moment}.".encode() + delivery.raw, hashlib.sha256)
    return hmac.compare_digest(given, right.hexdigest())


def test_the_signature_matches_the_documented_example() -> None:
    assert signature_header("whsec_test", 1_700_000_000, b'{"id":"x"}') == (
        "t=1700000000,v1=80e8d098018f757aa814ab1abb924f35d304affa1d93d29611a54696207eb7c3"
    )


def test_a_webhook_reports_the_end_in_its_own_schema(sync_so: SyncSoEmulatorClient, listener: CallbackReceiver) -> None:
    identity = sync_so.submit_and_get_id(sync_so.make_body(webhookUrl=f"{listener.url}/done?job=1", outputFileName="x"))
    delivery = listener.wait_for("/done?job=1")
    assert is_genuine(delivery)
    assert (delivery.body["id"], delivery.body["status"]) == (identity, "COMPLETED")
    assert delivery.body["outputUrl"]
    assert set(delivery.body) == {
        *("id", "status", "createdAt", "model", "input", "options", "webhookUrl", "outputUrl"),
        *("segmentOutputUrl", "outputDuration", "error", "error_code"),
    }


def test_a_webhook_reports_failure_and_optionally_rejection(
    sync_so: SyncSoEmulatorClient, listener: CallbackReceiver
) -> None:
    sync_so.program.inject_fault("ends", errorCode="controller_timeout")
    sync_so.submit_and_get_id(sync_so.make_body(webhookUrl=f"{listener.url}/failed"))
    assert listener.wait_for("/failed").body["error_code"] == "controller_timeout"
    for wanted in (False, True):
        with sync_so.program.temporary_settings(webhook_on_rejected=wanted):
            sync_so.program.inject_fault("ends", status="REJECTED")
            sync_so.wait_until_done(
                sync_so.submit_and_get_id(sync_so.make_body(webhookUrl=f"{listener.url}/rejected-{wanted}"))
            )
    assert listener.wait_for("/rejected-True").body["status"] == "REJECTED"
    assert listener.inbox("/rejected-False").empty()


@pytest.mark.parametrize("status", [500, 204])
def test_a_webhook_is_not_retried(sync_so: SyncSoEmulatorClient, listener: CallbackReceiver, status: int) -> None:
    listener.replies.append((status, b""))
    url = f"{listener.url}/once-{status}"
    sync_so.submit_and_get_id(sync_so.make_body(webhookUrl=url))
    listener.wait_for(f"/once-{status}")
    sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_body()))
    assert listener.inbox(f"/once-{status}").empty()
    tries = [entry for entry in sync_so.program.dump_state()["notifications"] if entry["url"] == url]
    assert [entry["outcome"] for entry in tries] == [str(status)]


def test_a_webhook_can_be_lost_repeated_forged_or_stale(
    sync_so: SyncSoEmulatorClient, listener: CallbackReceiver
) -> None:
    for effect in ("drop", "duplicate", "wrong_signature", "old"):
        sync_so.program.inject_fault("webhook", effect=effect, match=f"/{effect}")
        sync_so.submit_and_get_id(sync_so.make_body(webhookUrl=f"{listener.url}/{effect}"))
    assert not is_genuine(listener.wait_for("/wrong_signature"))
    assert listener.wait_for("/duplicate").raw == listener.wait_for("/duplicate").raw
    old = listener.wait_for("/old")
    assert is_genuine(old)
    assert time.time() - int(old.headers["sync-signature"].split(",")[0].removeprefix("t=")) > 3000
    assert listener.inbox("/drop").empty()
