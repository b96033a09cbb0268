"""A form parses the same however its bytes are split, and an invalid form is rejected at once."""

import httpx
import pytest
from fastapi import HTTPException

from deployments.api.rate_limit import TokenBuckets
from deployments.api.routes.uploads import sanitize_file_name
from deployments.api.uploads.form_parser import MultipartEvent, MultipartReader, PartData, PartEnd, PartStart
from deployments.api.uploads.form_receiver import file_stem
from tests.support.multipart_forms import form_fields, form_files

WHOLE_REQUEST = httpx.Request(
    "POST", "http://x", files=form_files(b"\r\n--not the boundary\r\n" * 50), data=form_fields()
)
BODY, TYPE = WHOLE_REQUEST.read(), WHOLE_REQUEST.headers["Content-Type"]


def collect_parts(events: list[MultipartEvent]) -> list[tuple[str, str, bytes]]:
    """The name, file name and content of each part."""
    found: list[tuple[str, str, bytes]] = []
    for event in events:
        match event:
            case PartStart(name, file_name):
                found.append((name, file_name, b""))
            case PartData(data):
                found[-1] = (*found[-1][:2], found[-1][2] + data)
            case PartEnd():
                assert found
    return found


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_form_parts_do_not_depend_on_chunk_boundaries(size: int) -> None:
    form = MultipartReader(TYPE)
    events = [event for at in range(0, len(BODY), size) for event in form.feed(BODY[at : at + size])]
    form.close()
    found = collect_parts(events)
    texts = [(name, "", text.encode()) for name, text in form_fields().items()]
    assert sorted(found) == sorted(
        texts + [(name, *file) for name, file in form_files(b"\r\n--not the boundary\r\n" * 50)]
    )


def test_a_form_without_its_end_is_an_error() -> None:
    form = MultipartReader(TYPE)
    form.feed(BODY[:-10])
    with pytest.raises(HTTPException, match="incomplete"):
        form.close()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../a b.mp4", "a_b.mp4"),
        ("C:\\x\\y.mp4", "y.mp4"),
        (".htaccess", "htaccess"),
        ("..", "file"),
        ("é" * 300 + ".mp4", "mp4"),
    ],
)
def test_a_safe_name_is_safe_in_a_path(name: str, safe: str) -> None:
    assert sanitize_file_name(name) == safe


@pytest.mark.parametrize("name", ["audio-1.wav", "sounds/audio-1.flac", "C:\\sounds\\audio-1.mp3", "audio-1"])
def test_a_plain_name_has_no_folder_and_no_extension(name: str) -> None:
    assert file_stem(name) == "audio-1"


def test_a_token_bucket_allows_a_burst_then_a_steady_rate() -> None:
    now = [0.0]
    buckets = TokenBuckets(60, clock=lambda: now[0])
    assert [buckets.take("ada") for _ in range(60)] == [0.0] * 60
    assert buckets.take("ada") == pytest.approx(1)
    assert buckets.take("grace") == 0
    now[0] = 1.01
    assert buckets.take("ada") == 0
    assert buckets.take("ada") > 0


def test_the_number_of_token_buckets_is_bounded() -> None:
    buckets = TokenBuckets(1)
    for number in range(20_000):
        buckets.take(number)
    assert len(buckets._buckets) == 10_000
