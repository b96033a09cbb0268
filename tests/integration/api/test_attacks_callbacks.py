"""Attacks through callbacks and links: each is rejected, changes no record, and learns nothing."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.integration.db.conftest import CreateLeasedJob
from tests.support.example_request import make_request
from tests.support.signed_callbacks import (
    GHOSTCUT,
    SYNC_SO,
    WEBHOOK_SECRET,
    CallbackClient,
    CallbackVendor,
    FakeServices,
    create_sent_submission,
    job_records,
)
from tests.unit.test_url_policy import REFUSED_SOURCES
from videojobs.db import JobRepository, SubmissionState
from videojobs.errors import InvalidRequest

NOW = int(time.time())
Headers = Callable[[bytes], dict[str, str]]


def sync_so_headers(stamp: object, value: str) -> Headers:
    return lambda _: {"Sync-Signature": f"t={stamp},v1={value}"}


def hmac_hex(message: bytes, secret: str = WEBHOOK_SECRET, kind: str = "sha256") -> str:
    return hmac.new(secret.encode(), message, kind).hexdigest()


def md5_hex(message: bytes) -> str:
    return hashlib.md5(message).hexdigest()  # noqa: S324  # the vendor's algorithm


@dataclass(frozen=True)
class Forgery:
    """A kind of invalid signature."""

    description: str
    vendor: CallbackVendor
    headers: Headers


FORGERIES = [
    Forgery("no signature", SYNC_SO, lambda _: {}),
    Forgery("an empty one", SYNC_SO, lambda _: {"Sync-Signature": ""}),
    Forgery("another secret", SYNC_SO, lambda body: SYNC_SO.signature_headers(body, secret="whsec_guessed")),
    Forgery("an empty secret", SYNC_SO, lambda body: SYNC_SO.signature_headers(body, secret="")),
    Forgery("that of another body", SYNC_SO, lambda _: SYNC_SO.signature_headers(SYNC_SO.report_body("43"))),
    Forgery(
        "that of the same JSON in other bytes", SYNC_SO, lambda body: SYNC_SO.signature_headers(body.replace(b" ", b""))
    ),
    Forgery("an hour old, as it was sent then", SYNC_SO, lambda body: SYNC_SO.signature_headers(body, age=3600)),
    Forgery("of tomorrow", SYNC_SO, lambda body: SYNC_SO.signature_headers(body, age=-86_400)),
    Forgery(
        "an old one with a new time stamp",
        SYNC_SO,
        lambda body: {"Sync-Signature": f"t={int(time.time())},v1={hmac_hex(f'{NOW - 3600}.'.encode() + body)}"},
    ),
    Forgery(
        "of the body without its time", SYNC_SO, lambda body: sync_so_headers(int(time.time()), hmac_hex(body))(body)
    ),
    Forgery("no time at all", SYNC_SO, lambda body: {"Sync-Signature": f"v1={hmac_hex(b'.' + body)}"}),
    Forgery("a time that is no number", SYNC_SO, sync_so_headers("NaN", "0" * 64)),
    Forgery("a time of five thousand digits", SYNC_SO, sync_so_headers("9" * 5000, "0" * 64)),
    Forgery("a time before all time", SYNC_SO, sync_so_headers(-NOW, "0" * 64)),
    Forgery("a scheme of another name", SYNC_SO, lambda body: {"Sync-Signature": f"t={NOW},v0={hmac_hex(body)}"}),
    Forgery("nothing after v1", SYNC_SO, sync_so_headers(int(time.time()), "")),
    Forgery(
        "a weaker hash",
        SYNC_SO,
        lambda body: sync_so_headers(NOW, hmac_hex(f"{NOW}.".encode() + body, kind="sha1"))(body),
    ),
    Forgery("the other header's name", SYNC_SO, lambda body: {"X-Signature-Primary": "0" * 64}),
    Forgery("the other vendor's", SYNC_SO, GHOSTCUT.signature_headers),
    Forgery("no signature", GHOSTCUT, lambda _: {}),
    Forgery("an empty one", GHOSTCUT, lambda _: {"Callback-Sign": ""}),
    Forgery("another secret", GHOSTCUT, lambda body: GHOSTCUT.signature_headers(body, secret="guessed")),
    Forgery("an empty secret", GHOSTCUT, lambda body: GHOSTCUT.signature_headers(body, secret="")),
    Forgery("that of another body", GHOSTCUT, lambda _: GHOSTCUT.signature_headers(GHOSTCUT.report_body("43"))),
    Forgery("hashed once only", GHOSTCUT, lambda body: {"Callback-Sign": md5_hex(body + WEBHOOK_SECRET.encode())}),
    Forgery("hashed without the secret", GHOSTCUT, lambda body: {"Callback-Sign": md5_hex(md5_hex(body).encode())}),
    Forgery(
        "half of the right one",
        GHOSTCUT,
        lambda body: {"Callback-Sign": GHOSTCUT.signature_headers(body)["Callback-Sign"][:16]},
    ),
    Forgery("the other vendor's", GHOSTCUT, SYNC_SO.signature_headers),
]

CALLBACK_TOKENS = {
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

INVALID_BODIES = {
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
def services(repository: JobRepository) -> FakeServices:
    return FakeServices(repository)


@pytest.fixture
def api(services: FakeServices) -> CallbackClient:
    return CallbackClient(services)


@pytest.fixture
async def parked_submission_token(
    repository: JobRepository, create_leased_job: CreateLeasedJob, vendor: CallbackVendor
) -> str:
    """A parked job that any genuine callback would resume; gives the token of its callback address."""
    lease = await create_leased_job()
    submission = await create_sent_submission(repository, lease, vendor)
    await repository.record_outcome(lease, submission, SubmissionState.UNKNOWN, error="connection reset")
    await repository.park(lease, "nobody knows", unresolved=submission)
    await repository.release_lease(lease)
    return submission.callback_token


@pytest.mark.parametrize(
    ("vendor", "forgery"),
    [(forgery.vendor, forgery) for forgery in FORGERIES],
    ids=[f"{forgery.vendor.provider}: {forgery.description}" for forgery in FORGERIES],
)
async def test_a_forged_signature_is_rejected(
    repository: JobRepository,
    services: FakeServices,
    api: CallbackClient,
    job_id: str,
    parked_submission_token: str,
    vendor: CallbackVendor,
    forgery: Forgery,
) -> None:
    before = await job_records(repository, job_id)
    body = vendor.report_body("42")
    answer = await api.send_callback(vendor, parked_submission_token, body, forgery.headers(body))
    assert answer.status_code == 403
    assert WEBHOOK_SECRET not in answer.text
    assert await job_records(repository, job_id) == before
    assert services.prefect.resumed == []


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.provider)
@pytest.mark.parametrize("what", CALLBACK_TOKENS)
async def test_an_unissued_callback_address_is_a_404(
    repository: JobRepository,
    api: CallbackClient,
    job_id: str,
    parked_submission_token: str,
    vendor: CallbackVendor,
    what: str,
) -> None:
    before = await job_records(repository, job_id)
    address = CALLBACK_TOKENS[what].format(token=parked_submission_token, swapped=parked_submission_token.swapcase())
    answer = await api.send_callback(vendor, address, vendor.report_body("42"))
    assert answer.status_code == 404
    assert await job_records(repository, job_id) == before


@pytest.mark.parametrize(("vendor", "other"), [(SYNC_SO, GHOSTCUT), (GHOSTCUT, SYNC_SO)], ids=str)
async def test_a_callback_token_is_valid_for_its_vendor_only(
    repository: JobRepository,
    api: CallbackClient,
    job_id: str,
    parked_submission_token: str,
    vendor: CallbackVendor,
    other: CallbackVendor,
) -> None:
    before = await job_records(repository, job_id)
    assert (await api.send_callback(other, parked_submission_token, other.report_body("42"))).status_code == 404
    assert await job_records(repository, job_id) == before


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.provider)
@pytest.mark.parametrize("what", INVALID_BODIES)
async def test_a_signed_body_that_is_not_a_report_is_rejected(
    repository: JobRepository,
    services: FakeServices,
    api: CallbackClient,
    job_id: str,
    parked_submission_token: str,
    vendor: CallbackVendor,
    what: str,
) -> None:
    """An attacker with a stolen secret could send it, or the vendor by mistake."""
    before = await job_records(repository, job_id)
    assert (await api.send_callback(vendor, parked_submission_token, INVALID_BODIES[what])).status_code == 400
    assert await job_records(repository, job_id) == before
    assert services.prefect.resumed == []


@pytest.mark.parametrize(("vendor", "size"), [(SYNC_SO, 1024**2), (GHOSTCUT, 64 * 1024)], ids=["sync-so", "ghostcut"])
async def test_an_oversized_callback_body_is_not_read(
    repository: JobRepository,
    api: CallbackClient,
    job_id: str,
    parked_submission_token: str,
    vendor: CallbackVendor,
    size: int,
) -> None:
    before = await job_records(repository, job_id)
    assert (
        await api.send_callback(vendor, parked_submission_token, vendor.report_body("42", error="x" * size))
    ).status_code == 413
    assert await job_records(repository, job_id) == before


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.provider)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_callbacks_come_by_post_only(
    api: CallbackClient, parked_submission_token: str, vendor: CallbackVendor, method: str
) -> None:
    assert (
        await api.http.request(method, f"/callbacks/{vendor.provider}/{parked_submission_token}")
    ).status_code == 405


@pytest.mark.parametrize("vendor", [SYNC_SO, GHOSTCUT], ids=lambda vendor: vendor.provider)
async def test_a_signed_report_of_a_foreign_work_is_only_noted(
    repository: JobRepository, api: CallbackClient, job_id: str, parked_submission_token: str, vendor: CallbackVendor
) -> None:
    await api.send_callback(vendor, parked_submission_token, vendor.report_body("somebody-elses"))
    [submission] = await repository.list_submissions(job_id)
    assert (submission.state, submission.vendor_id) == (SubmissionState.UNKNOWN, None)


@pytest.mark.parametrize("source", REFUSED_SOURCES)
@pytest.mark.parametrize("field", ["video", "audio[0].source"])
def test_a_link_to_an_internal_host_is_rejected_at_submit(source: str, field: str) -> None:
    """Rejected by its name alone; the fetch resolves names (tests/integration/media/test_pinned_transport.py)."""
    audio = [{"refId": name, "source": "s3://media/one.wav"} for name in ("audio-1", "audio-2")]
    if field == "video":
        given = {"video": source, "audio": audio}
    else:
        given = {"audio": [audio[0] | {"source": source}, audio[1]]}
    with pytest.raises(InvalidRequest) as caught:
        make_request(**given)
    assert [problem.path for problem in caught.value.errors] == [field]
