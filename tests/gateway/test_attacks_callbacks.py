"""Attacks on the callbacks and by links: each is refused, changes nothing on the books, and is told nothing."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.gateway.vendors import GHOSTCUT, SECRET, SYNC_SO, Caller, OnTheLedger, Vendor, books, submitted
from tests.ledger.conftest import Opened
from tests.unit.good_request import parsed
from tests.unit.test_reach import REFUSED_AT_THE_DOOR
from videojobs.errors import InvalidRequest
from videojobs.ledger import Ledger, SubmissionState

NOW = int(time.time())
Headers = Callable[[bytes], dict[str, str]]


def sync(stamp: object, value: str) -> Headers:
    return lambda _: {"Sync-Signature": f"t={stamp},v1={value}"}


def mac(message: bytes, secret: str = SECRET, kind: str = "sha256") -> str:
    return hmac.new(secret.encode(), message, kind).hexdigest()


def md5(message: bytes) -> str:
    return hashlib.md5(message).hexdigest()  # noqa: S324  # the vendor's choice


@dataclass(frozen=True)
class Forgery:
    """A signature that is none."""

    what: str
    vendor: Vendor
    headers: Headers


FORGERIES = [
    Forgery("no signature", SYNC_SO, lambda _: {}),
    Forgery("an empty one", SYNC_SO, lambda _: {"Sync-Signature": ""}),
    Forgery("another secret", SYNC_SO, lambda body: SYNC_SO.signed(body, secret="whsec_guessed")),
    Forgery("an empty secret", SYNC_SO, lambda body: SYNC_SO.signed(body, secret="")),
    Forgery("that of another body", SYNC_SO, lambda _: SYNC_SO.signed(SYNC_SO.body("43"))),
    Forgery("that of the same JSON in other bytes", SYNC_SO, lambda body: SYNC_SO.signed(body.replace(b" ", b""))),
    Forgery("an hour old, as it was sent then", SYNC_SO, lambda body: SYNC_SO.signed(body, age=3600)),
    Forgery("of tomorrow", SYNC_SO, lambda body: SYNC_SO.signed(body, age=-86_400)),
    Forgery(
        "an old one with a new time stamp",
        SYNC_SO,
        lambda body: {"Sync-Signature": f"t={int(time.time())},v1={mac(f'{NOW - 3600}.'.encode() + body)}"},
    ),
    Forgery("of the body without its time", SYNC_SO, lambda body: sync(int(time.time()), mac(body))(body)),
    Forgery("no time at all", SYNC_SO, lambda body: {"Sync-Signature": f"v1={mac(b'.' + body)}"}),
    Forgery("a time that is no number", SYNC_SO, sync("NaN", "0" * 64)),
    Forgery("a time of five thousand digits", SYNC_SO, sync("9" * 5000, "0" * 64)),
    Forgery("a time before all time", SYNC_SO, sync(-NOW, "0" * 64)),
    Forgery("a scheme of another name", SYNC_SO, lambda body: {"Sync-Signature": f"t={NOW},v0={mac(body)}"}),
    Forgery("nothing after v1", SYNC_SO, sync(int(time.time()), "")),
    Forgery("a weaker hash", SYNC_SO, lambda body: sync(NOW, mac(f"{NOW}.".encode() + body, kind="sha1"))(body)),
    Forgery("the other header's name", SYNC_SO, lambda body: {"X-Signature-Primary": "0" * 64}),
    Forgery("the other vendor's", SYNC_SO, GHOSTCUT.signed),
    Forgery("no signature", GHOSTCUT, lambda _: {}),
    Forgery("an empty one", GHOSTCUT, lambda _: {"Callback-Sign": ""}),
    Forgery("another secret", GHOSTCUT, lambda body: GHOSTCUT.signed(body, secret="guessed")),
    Forgery("an empty secret", GHOSTCUT, lambda body: GHOSTCUT.signed(body, secret="")),
    Forgery("that of another body", GHOSTCUT, lambda _: GHOSTCUT.signed(GHOSTCUT.body("43"))),
    Forgery("hashed once only", GHOSTCUT, lambda body: {"Callback-Sign": md5(body + SECRET.encode())}),
    Forgery("hashed without the secret", GHOSTCUT, lambda body: {"Callback-Sign": md5(md5(body).encode())}),
    Forgery(
        "half of the right one", GHOSTCUT, lambda body: {"Callback-Sign": GHOSTCUT.signed(body)["Callback-Sign"][:16]}
    ),
    Forgery("the other vendor's", GHOSTCUT, SYNC_SO.signed),
]

ADDRESSES = {
    "guessed": "x" * 43,
    "one character short": "{token:.42}",
    "one character more": "{token}x",
    "in another case": "{swapped}",
    "with an encoded slash": "{token}%2F",
    "with a line break": "{token}%0A",
    "with NUL": "%00",
    "with NUL after the token": "{token}%00",
    "of the tree above": "..%2F..%2Fhealthz",
    "SQL": "'%20OR%20'1'='1",
    "a wildcard": "%25" * 43,
    "in other digits": "%D9%A1" * 43,
    "very long": "x" * 4000,
}

BODIES = {
    "no JSON": b"{",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"42",
    "no id": b"{}",
    "an empty id": b'{"id": ""}',
    "an id of NUL": b'{"id": "1\\u0000"}',
    "an id that is half a character": b'{"id": "\\ud800"}',
    "an id with a quote": b'{"id": "1\' OR 1=1 --"}',
    "an id of many characters": json.dumps({"id": "x" * 65}).encode(),
    "an id of thousands of digits": b'{"id": ' + b"9" * 5000 + b"}",
    "an id that is an object": b'{"id": {"id": 1}}',
    "bytes that are no text": b'{"id": "\xff\xfe"}',
    "nested without end": b'{"id": ' + b"[" * 30_000,
}


@pytest.fixture
def backing(ledger: Ledger) -> OnTheLedger:
    return OnTheLedger(ledger)


@pytest.fixture
def door(backing: OnTheLedger) -> Caller:
    return Caller(backing)


@pytest.fixture
async def doubt(ledger: Ledger, opened: Opened, vendor: Vendor) -> str:
    """A parked job that any genuine callback would take up again; gives the token of its address."""
    lease = await opened()
    submission = await submitted(ledger, lease, vendor)
    await ledger.settle(lease, submission, SubmissionState.UNKNOWN, error="connection reset")
    await ledger.park(lease, "nobody knows", doubt=submission)
    await ledger.release(lease)
    return submission.callback_token


@pytest.mark.parametrize(
    ("vendor", "forgery"),
    [(forgery.vendor, forgery) for forgery in FORGERIES],
    ids=[f"{forgery.vendor.name}: {forgery.what}" for forgery in FORGERIES],
)
async def test_a_forged_signature_is_refused(
    ledger: Ledger, backing: OnTheLedger, door: Caller, job_id: str, doubt: str, vendor: Vendor, forgery: Forgery
) -> None:
    before = await books(ledger, job_id)
    body = vendor.body("42")
    answer = await door.call(vendor, doubt, body, forgery.headers(body))
    assert answer.status_code == 403
    assert SECRET not in answer.text
    assert await books(ledger, job_id) == before
    assert backing.prefect.went_on == []


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("what", ADDRESSES)
async def test_an_address_that_nobody_was_given_does_not_exist(
    ledger: Ledger, door: Caller, job_id: str, doubt: str, vendor: Vendor, what: str
) -> None:
    before = await books(ledger, job_id)
    address = ADDRESSES[what].format(token=doubt, swapped=doubt.swapcase())
    answer = await door.call(vendor, address, vendor.body("42"))
    assert answer.status_code == 404
    assert await books(ledger, job_id) == before


@pytest.mark.parametrize(("vendor", "other"), [(SYNC_SO, GHOSTCUT), (GHOSTCUT, SYNC_SO)], ids=str)
async def test_the_address_of_one_vendor_is_none_of_the_others(
    ledger: Ledger, door: Caller, job_id: str, doubt: str, vendor: Vendor, other: Vendor
) -> None:
    before = await books(ledger, job_id)
    assert (await door.call(other, doubt, other.body("42"))).status_code == 404
    assert await books(ledger, job_id) == before


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("what", BODIES)
async def test_a_signed_body_that_is_no_report_is_refused(
    ledger: Ledger, backing: OnTheLedger, door: Caller, job_id: str, doubt: str, vendor: Vendor, what: str
) -> None:
    """As somebody could send it who has stolen the secret, or the vendor in error."""
    before = await books(ledger, job_id)
    assert (await door.call(vendor, doubt, BODIES[what])).status_code == 400
    assert await books(ledger, job_id) == before
    assert backing.prefect.went_on == []


@pytest.mark.parametrize(("vendor", "size"), [(SYNC_SO, 1024**2), (GHOSTCUT, 64 * 1024)], ids=["sync-so", "ghostcut"])
async def test_a_body_that_is_too_long_is_not_even_looked_at(
    ledger: Ledger, door: Caller, job_id: str, doubt: str, vendor: Vendor, size: int
) -> None:
    before = await books(ledger, job_id)
    assert (await door.call(vendor, doubt, vendor.body("42", error="x" * size))).status_code == 413
    assert await books(ledger, job_id) == before


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_callbacks_come_by_post_only(door: Caller, doubt: str, vendor: Vendor, method: str) -> None:
    assert (await door.http.request(method, f"/callbacks/{vendor.name}/{doubt}")).status_code == 405


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.name)
async def test_a_genuine_report_about_somebody_elses_work_is_a_note_and_no_proof(
    ledger: Ledger, door: Caller, job_id: str, doubt: str, vendor: Vendor
) -> None:
    await door.call(vendor, doubt, vendor.body("somebody-elses"))
    [submission] = await ledger.submissions(job_id)
    assert (submission.state, submission.vendor_id) == (SubmissionState.UNKNOWN, None)


@pytest.mark.parametrize("source", REFUSED_AT_THE_DOOR)
@pytest.mark.parametrize("field", ["video", "audio[0].source"])
def test_a_link_into_the_inside_is_refused_where_the_request_comes_in(source: str, field: str) -> None:
    """By its name alone; what a name means is looked at when it is fetched (tests/media/test_pinned.py)."""
    audio = [{"refId": name, "source": "s3://media/one.wav"} for name in ("audio-1", "audio-2")]
    if field == "video":
        given = {"video": source, "audio": audio}
    else:
        given = {"audio": [audio[0] | {"source": source}, audio[1]]}
    with pytest.raises(InvalidRequest) as caught:
        parsed(**given)
    assert [problem.path for problem in caught.value.problems] == [field]
