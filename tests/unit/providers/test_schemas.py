"""Vendors' texts are sanitized for messages; their responses are parsed leniently."""

import pytest

from videojobs.providers.schemas import MAX_TEXT_LENGTH, compact_json, normalize_number, sanitize_text
from videojobs.providers.sync_so.schemas import ErrorResponse


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("could not fetch https://s3.test/b/k.mp4?X-Amz-Signature=abc&x=1.", "could not fetch https://s3.test/b/k.mp4"),
        ("'https://s3.test/k?sig=a' and \"s3://b/k?sig=b\"", "'https://s3.test/k' and \"s3://b/k\""),
        ("s3.test/k?token=secret not found", "s3.test/k not found"),
        ("https%3A%2F%2Fs3.test%2Fk%3Fsig%3Dsecret failed", "https%3A%2F%2Fs3.test%2Fk failed"),
        ("https://user:pw@s3.test/k", "https://s3.test/k"),
        ("is it true? yes=no", "is it true? yes=no"),
        ("line one\n  line\ttwo\x00\ud800", "line one line two"),
        ("音频过长", "音频过长"),
    ],
)
def test_vendor_text_is_stripped_of_secrets_and_control_chars(raw: str, shown: str) -> None:
    assert sanitize_text(raw) == shown


def test_a_long_text_is_cut_after_its_queries_were_removed() -> None:
    text = sanitize_text("https://s3.test/k?sig=" + "s" * 3000 + " " + "word " * 3000)
    assert text.startswith("https://s3.test/k word")
    assert len(text) == MAX_TEXT_LENGTH
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("one", "one"),
        (["one", "two", None, ""], "one; two"),
        ({"message": "inner"}, "inner"),
        ({"reason": 5}, '{"reason":5}'),
        (7, "7"),
        ("", None),
        ([], None),
        (None, None),
    ],
)
def test_a_message_of_any_shape_reads_as_one_text(message: object, text: str | None) -> None:
    assert ErrorResponse.model_validate({"message": message}).message == text


def test_equal_numbers_give_equal_bytes() -> None:
    assert (
        compact_json([normalize_number(2), normalize_number(2.0), normalize_number(-0.0), normalize_number(1.8)])
        == "[2,2,0,1.8]"
    )


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact_json({"x": normalize_number(float("nan"))})
