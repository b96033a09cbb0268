"""Only Sync.so's own, fresh webhooks count."""

import hmac
from hashlib import sha256

import pytest
from pydantic import SecretStr

from videojobs.vendors.sync_so.webhook import is_genuine

# The fact sheet's test vector.
SECRET, T, BODY = SecretStr("whsec_test"), 1700000000, b'{"id":"x"}'
V1 = "80e8d098018f757aa814ab1abb924f35d304affa1d93d29611a54696207eb7c3"
HEADER = f"t={T},v1={V1}"


def test_the_fact_sheets_test_vector_is_genuine() -> None:
    assert is_genuine(BODY, HEADER, SECRET, now=T)


@pytest.mark.parametrize("age", [-300, -1, 1, 300])
def test_a_webhook_within_the_window_is_genuine(age: float) -> None:
    assert is_genuine(BODY, HEADER, SECRET, now=T + age)


@pytest.mark.parametrize("age", [-301, 301, 86400])
def test_a_webhook_outside_the_window_is_not(age: float) -> None:
    assert not is_genuine(BODY, HEADER, SECRET, now=T + age)


def test_the_window_can_be_set() -> None:
    assert is_genuine(BODY, HEADER, SECRET, now=T + 900, window_seconds=1000)


@pytest.mark.parametrize("header", [f"t={T}, v1={V1}", f"v1={V1},t={T}", f"t={T},v1=00,v1={V1}", f"t={T},v0=1,v1={V1}"])
def test_order_blanks_and_further_signatures_do_not_matter(header: str) -> None:
    assert is_genuine(BODY, header, SECRET, now=T)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"t={T}",
        f"v1={V1}",
        f"t={T},v1=",
        f"t={T},v1={V1[:-1]}",
        f"t={T},v1=ünïcode",
        f"t={T + 1},v1={V1}",
        f"t=-{T},v1={V1}",
        f"t={T}.0,v1={V1}",
        f"t=١٢,v1={V1}",
        f"t={'9' * 5000},v1={V1}",
        "garbage",
    ],
)
def test_a_header_that_proves_nothing_is_refused(header: str | None) -> None:
    assert not is_genuine(BODY, header, SECRET, now=T)


@pytest.mark.parametrize("body", [b'{"id": "x"}', b'{"id":"y"}', b"", BODY + b"\n"])
def test_the_signature_covers_the_bytes_as_they_came(body: bytes) -> None:
    assert not is_genuine(body, HEADER, SECRET, now=T)


def test_a_missing_secret_proves_nothing() -> None:
    forged = hmac.new(b"", f"{T}.".encode() + BODY, sha256).hexdigest()
    assert not is_genuine(BODY, f"t={T},v1={forged}", SecretStr(""), now=T)
