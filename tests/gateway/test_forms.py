"""A form is read the same however its bytes are cut, and what is no form is said so at once."""

import httpx
import pytest
from fastapi import HTTPException

from deployments.gateway.buckets import Buckets
from deployments.gateway.forms import Content, Event, Form, PartBegins, PartEnds
from deployments.gateway.receiving import plain_name
from deployments.gateway.uploads import safe_name
from tests.gateway.forms import fields, files

WHOLE = httpx.Request("POST", "http://x", files=files(b"\r\n--not the boundary\r\n" * 50), data=fields())
BODY, TYPE = WHOLE.read(), WHOLE.headers["Content-Type"]


def parts(events: list[Event]) -> list[tuple[str, str, bytes]]:
    """Name, file name and content of each part."""
    found: list[tuple[str, str, bytes]] = []
    for event in events:
        match event:
            case PartBegins(name, file_name):
                found.append((name, file_name, b""))
            case Content(data):
                found[-1] = (*found[-1][:2], found[-1][2] + data)
            case PartEnds():
                assert found
    return found


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_however_the_bytes_are_cut_the_parts_are_the_same(size: int) -> None:
    form = Form(TYPE)
    events = [event for at in range(0, len(BODY), size) for event in form.feed(BODY[at : at + size])]
    form.close()
    found = parts(events)
    texts = [(name, "", text.encode()) for name, text in fields().items()]
    assert sorted(found) == sorted(texts + [(name, *file) for name, file in files(b"\r\n--not the boundary\r\n" * 50)])


def test_a_form_without_its_end_has_broken_off() -> None:
    form = Form(TYPE)
    form.feed(BODY[:-10])
    with pytest.raises(HTTPException, match="broke off"):
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
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["audio-1.wav", "sounds/audio-1.flac", "C:\\sounds\\audio-1.mp3", "audio-1"])
def test_a_plain_name_has_neither_folder_nor_ending(name: str) -> None:
    assert plain_name(name) == "audio-1"


def test_a_bucket_lets_a_minutes_worth_through_at_once_and_then_one_at_a_time() -> None:
    now = [0.0]
    buckets = Buckets(60, clock=lambda: now[0])
    assert [buckets.take("ada") for _ in range(60)] == [0.0] * 60
    assert buckets.take("ada") == pytest.approx(1)
    assert buckets.take("grace") == 0
    now[0] = 1.01
    assert buckets.take("ada") == 0
    assert buckets.take("ada") > 0


def test_who_is_known_is_bounded() -> None:
    buckets = Buckets(1)
    for number in range(20_000):
        buckets.take(number)
    assert len(buckets._buckets) == 10_000
