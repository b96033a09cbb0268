"""The bytes sent to Sync.so."""

import json
from typing import Any

import pytest

from videojobs.errors import InvalidRequest
from videojobs.providers.sync_so.schemas import SegmentSpec, build_generation_body

V, A1, A2 = "https://media.test/v.mp4", "https://media.test/1.wav", "https://media.test/2.wav"
DEFAULT_ARGUMENTS: dict[str, Any] = {
    "model": "lipsync-2",
    "video_url": V,
    "audio_urls": {"audio-1": A1, "audio-2": A2},
    "segments": [SegmentSpec(0, 1.8, "audio-1"), SegmentSpec(2, 3.2, "audio-2")],
    "sync_mode": "remap",
}


def test_the_request_is_the_one_that_the_vendor_accepted() -> None:
    assert json.loads(build_generation_body(**DEFAULT_ARGUMENTS)) == {
        "model": "lipsync-2",
        "input": [
            {"type": "video", "url": V},
            {"type": "audio", "url": A1, "refId": "audio-1"},
            {"type": "audio", "url": A2, "refId": "audio-2"},
        ],
        "segments": [
            {"startTime": 0, "endTime": 1.8, "audioInput": {"refId": "audio-1"}},
            {"startTime": 2, "endTime": 3.2, "audioInput": {"refId": "audio-2"}},
        ],
        "options": {"sync_mode": "remap"},
    }


def test_the_bytes_are_compact_and_in_a_fixed_order() -> None:
    body = build_generation_body(**DEFAULT_ARGUMENTS | {"audio_urls": {"a": A1}, "segments": [SegmentSpec(0, 1, "a")]})
    assert body == (
        b'{"model":"lipsync-2","input":[{"type":"video","url":"https://media.test/v.mp4"},'
        b'{"type":"audio","url":"https://media.test/1.wav","refId":"a"}],'
        b'"segments":[{"startTime":0,"endTime":1,"audioInput":{"refId":"a"}}],"options":{"sync_mode":"remap"}}'
    )


def test_int_and_float_seconds_give_the_same_bytes() -> None:
    floats = [SegmentSpec(0.0, 1.8, "audio-1"), SegmentSpec(2.0, 3.2, "audio-2")]
    assert build_generation_body(**DEFAULT_ARGUMENTS | {"segments": floats}) == build_generation_body(
        **DEFAULT_ARGUMENTS
    )


def test_audios_are_sent_in_the_order_given() -> None:
    body = build_generation_body(**DEFAULT_ARGUMENTS | {"audio_urls": {"audio-2": A2, "audio-1": A1}})
    assert [item.get("refId") for item in json.loads(body)["input"]] == [None, "audio-2", "audio-1"]


def test_an_audio_crop_is_sent_with_both_ends() -> None:
    segments = [SegmentSpec(0, 1, "audio-1", crop_start=0, crop_end=0.5)]
    (segment,) = json.loads(build_generation_body(**DEFAULT_ARGUMENTS | {"segments": segments}))["segments"]
    assert segment["audioInput"] == {"refId": "audio-1", "startTime": 0, "endTime": 0.5}


@pytest.mark.parametrize("ends", [(0.5, None), (None, 0.5)])
def test_an_audio_crop_with_one_end_is_refused(ends: tuple[float | None, float | None]) -> None:
    with pytest.raises(InvalidRequest, match=r"segments\[0\]\.audioInput: give both"):
        build_generation_body(**DEFAULT_ARGUMENTS | {"segments": [SegmentSpec(0, 1, "audio-1", *ends)]})


def test_a_segment_whose_audio_is_not_sent_is_refused() -> None:
    segments = [SegmentSpec(0, 1, "audio-1"), SegmentSpec(1, 2, "audio-3")]
    with pytest.raises(InvalidRequest, match=r"segments\[1\]\.audioInput\.refId: there is no audio 'audio-3'"):
        build_generation_body(**DEFAULT_ARGUMENTS | {"segments": segments})


def test_optional_fields_are_sent_only_when_given() -> None:
    body = json.loads(
        build_generation_body(
            **DEFAULT_ARGUMENTS, output_file_name="job-1", webhook_url="https://hook.test/?job=1", temperature=0.0
        )
    )
    assert body["outputFileName"] == "job-1"
    assert body["webhookUrl"] == "https://hook.test/?job=1"
    assert body["options"] == {"sync_mode": "remap", "temperature": 0}
    assert set(json.loads(build_generation_body(**DEFAULT_ARGUMENTS))) == {"model", "input", "segments", "options"}


def test_without_segments_the_one_audio_is_for_the_whole_video() -> None:
    whole = {"audio_urls": {"audio-1": A1}, "segments": [], "sync_mode": "loop"}
    assert json.loads(build_generation_body(**DEFAULT_ARGUMENTS | whole)) == {
        "model": "lipsync-2",
        "input": [{"type": "video", "url": V}, {"type": "audio", "url": A1, "refId": "audio-1"}],
        "options": {"sync_mode": "loop"},
    }


@pytest.mark.parametrize("audio_urls", [{}, {"audio-1": A1, "audio-2": A2}])
def test_without_segments_there_is_exactly_one_audio(audio_urls: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="there has to be one audio file"):
        build_generation_body(**DEFAULT_ARGUMENTS | {"audio_urls": audio_urls, "segments": []})
