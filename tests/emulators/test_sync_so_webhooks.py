"""Sync.so emulator: webhooks, signed and sent once."""

import hashlib
import hmac
import time

import pytest

from deployments.local.emulators.sync_so.webhooks import signature
from tests.emulators.listener import Delivery, Listener
from tests.emulators.sync_so_desk import WEBHOOK_SECRET, SyncSoDesk


def is_genuine(delivery: Delivery) -> bool:
    moment, given = (part.split("=")[1] for part in delivery.headers["sync-signature"].split(","))
    right = hmac.new(WEBHOOK_SECRET.encode(), f"{moment}.".encode() + delivery.raw, hashlib.sha256)
    return hmac.compare_digest(given, right.hexdigest())


def test_the_signature_is_that_of_the_fact_sheet_s_example() -> None:
    assert signature("whsec_test", 1_700_000_000, b'{"id":"x"}') == (
        "t=1700000000,v1=80e8d098018f757aa814ab1abb924f35d304affa1d93d29611a54696207eb7c3"
    )


def test_a_webhook_tells_the_end_in_its_own_spelling(sync_so: SyncSoDesk, listener: Listener) -> None:
    identity = sync_so.accepted(sync_so.body(webhookUrl=f"{listener.url}/done?job=1", outputFileName="x"))
    delivery = listener.next("/done?job=1")
    assert is_genuine(delivery)
    assert (delivery.body["id"], delivery.body["status"]) == (identity, "COMPLETED")
    assert delivery.body["outputUrl"]
    assert set(delivery.body) == {
        *("id", "status", "createdAt", "model", "input", "options", "webhookUrl", "outputUrl"),
        *("segmentOutputUrl", "outputDuration", "error", "error_code"),
    }


def test_a_failure_is_told_too_but_a_rejection_only_if_so_set(sync_so: SyncSoDesk, listener: Listener) -> None:
    sync_so.program.arm("ends", errorCode="controller_timeout")
    sync_so.accepted(sync_so.body(webhookUrl=f"{listener.url}/failed"))
    assert listener.next("/failed").body["error_code"] == "controller_timeout"
    for wanted in (False, True):
        with sync_so.program.settings(webhook_on_rejected=wanted):
            sync_so.program.arm("ends", status="REJECTED")
            sync_so.ended(sync_so.accepted(sync_so.body(webhookUrl=f"{listener.url}/rejected-{wanted}")))
    assert listener.next("/rejected-True").body["status"] == "REJECTED"
    assert listener.inbox("/rejected-False").empty()


@pytest.mark.parametrize("status", [500, 204])
def test_a_webhook_is_not_sent_again(sync_so: SyncSoDesk, listener: Listener, status: int) -> None:
    listener.answers.append((status, b""))
    url = f"{listener.url}/once-{status}"
    sync_so.accepted(sync_so.body(webhookUrl=url))
    listener.next(f"/once-{status}")
    sync_so.ended(sync_so.accepted(sync_so.body()))
    assert listener.inbox(f"/once-{status}").empty()
    tries = [entry for entry in sync_so.program.books()["notifications"] if entry["url"] == url]
    assert [entry["outcome"] for entry in tries] == [str(status)]


def test_a_webhook_can_be_lost_come_twice_be_forged_or_old(sync_so: SyncSoDesk, listener: Listener) -> None:
    for effect in ("drop", "duplicate", "wrong_signature", "old"):
        sync_so.program.arm("webhook", effect=effect, match=f"/{effect}")
        sync_so.accepted(sync_so.body(webhookUrl=f"{listener.url}/{effect}"))
    assert not is_genuine(listener.next("/wrong_signature"))
    assert listener.next("/duplicate").raw == listener.next("/duplicate").raw
    old = listener.next("/old")
    assert is_genuine(old)
    assert time.time() - int(old.headers["sync-signature"].split(",")[0].removeprefix("t=")) > 3000
    assert listener.inbox("/drop").empty()
