"""Which addresses a client may name for webhooks."""

import pytest

from videojobs.errors import InvalidRequest
from videojobs.lecture.parsing import parse_lecture
from videojobs.requests.models import fingerprint
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.webhooks.url_rules import webhook_url_error

PUBLIC = AccessSettings()
LOCAL_STACK = AccessSettings(allow_plain_http=True, allow_private_inputs=True)
REQUEST = {
    "video": "s3://bucket/video.mp4",
    "audio": [{"refId": "audio-1", "source": "s3://bucket/1.wav"}],
    "segments": [{"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}}],
    "user_id": "ada",
}


@pytest.mark.parametrize(
    "url", ["https://example.com/hook?tenant=1", "https://example.com:8443", "https://xn--nxasmq6b.example/%C3%A4"]
)
def test_a_public_https_address_is_accepted(url: str) -> None:
    assert webhook_url_error(url, PUBLIC) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/hook", "must begin with https://"),
        ("ftp://example.com/hook", "must begin with https://"),
        ("example.com/hook", "must begin with https://"),
        ("https:///hook", "must begin with https://"),
        ("https://ada:secret@example.com/", "must not contain a user"),
        ("https://example.com/#part", "must not have a fragment"),
        ("https://example.com/a b", "must be ASCII without spaces"),
        ("https://exämple.com/", "must be ASCII without spaces"),
        ("https://example.com/\r\nX: y", "must be ASCII without spaces"),
        ("https://example.com:99999/", "is not a valid address"),
        ("https://[::1/", "is not a valid address"),
        ("https://example.com/" + "x" * 2048, "must have at most 2048 characters"),
        ("https://localhost/", "must lead to a host that anyone"),
        ("https://db.internal/", "must lead to a host that anyone"),
        ("https://127.0.0.1/", "must lead to a host that anyone"),
        ("https://0x7f.1/", "must lead to a host that anyone"),
        ("https://169.254.169.254/latest", "must lead to a host that anyone"),
        ("https://[::ffff:10.0.0.1]/", "must lead to a host that anyone"),
    ],
)
def test_other_addresses_are_refused_with_the_reason(url: str, reason: str) -> None:
    assert (webhook_url_error(url, PUBLIC) or "").startswith(reason)


def test_a_local_stack_may_send_to_its_own_machine() -> None:
    assert webhook_url_error("http://127.0.0.1:9000/hook", LOCAL_STACK) is None


@pytest.mark.parametrize("parse", [parse_request, parse_lecture])
def test_a_bad_callback_address_is_an_error_of_its_field(parse: object) -> None:
    raw = REQUEST if parse is parse_request else {"video": "s3://bucket/video.mp4", "user_id": "ada"}
    assert callable(parse)
    with pytest.raises(InvalidRequest) as refused:
        parse({**raw, "callback_url": "https://10.0.0.1/"})
    assert [error.path for error in refused.value.errors] == ["callback_url"]


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_callback_address_is_none_at_all(blank: str | None) -> None:
    without = parse_request(REQUEST)
    assert fingerprint(parse_request({**REQUEST, "callback_url": blank})) == fingerprint(without)
    assert without.callback_url is None
