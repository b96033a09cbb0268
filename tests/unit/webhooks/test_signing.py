"""Signatures, verified with the library that receivers use."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from videojobs.webhooks.signing import new_secret, signed_headers

BODY = '{"type": "job.completed", "name": "Blau & grün"}'


def test_a_receiver_verifies_what_was_signed() -> None:
    secret = new_secret()
    headers = signed_headers("msg_1", datetime.now(UTC), BODY, [secret])
    assert Webhook(secret).verify(BODY, headers) == {"type": "job.completed", "name": "Blau & grün"}


def test_the_clock_may_be_in_any_time_zone() -> None:
    secret, zone = new_secret(), timezone(timedelta(hours=9))
    Webhook(secret).verify(BODY, signed_headers("msg_1", datetime.now(zone), BODY, [secret]))


def test_each_live_secret_verifies_and_no_other_does() -> None:
    new, old, unknown = new_secret(), new_secret(), new_secret()
    headers = signed_headers("msg_1", datetime.now(UTC), BODY, [new, old])
    Webhook(new).verify(BODY, headers)
    Webhook(old).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(unknown).verify(BODY, headers)


@pytest.mark.parametrize("change", [{"webhook-id": "msg_2"}, {"webhook-timestamp": "1"}])
def test_a_changed_header_is_noticed(change: dict[str, str]) -> None:
    secret = new_secret()
    headers = signed_headers("msg_1", datetime.now(UTC), BODY, [secret]) | change
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers)


def test_a_secret_has_the_prefix_and_256_random_bits() -> None:
    first, second = new_secret(), new_secret()
    assert first.startswith("whsec_")
    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
