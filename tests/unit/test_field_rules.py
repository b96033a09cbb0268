"""Requests that the rules between fields allow. Rejected ones are in test_request_refusals.py."""

from copy import deepcopy
from typing import Any, Final

import pytest

from tests.support.example_request import RAW_REQUEST, make_request
from videojobs.errors import InvalidRequest
from videojobs.requests.models import requested_stages, to_canonical_json
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.states import Stage

REMOVED: Final = object()


def test_segments_may_touch_even_when_their_times_were_computed() -> None:
    first = {"startTime": 0, "endTime": 0.1 + 0.2, "audioInput": {"refId": "audio-1"}}
    second = {"startTime": 0.3, "endTime": 1, "audioInput": {"refId": "audio-2"}}
    times = [(segment.startTime, segment.endTime) for segment in make_request(segments=[first, second]).segments]
    assert times == [(0, 0.3), (0.3, 1)]


def test_two_segments_may_use_parts_of_one_audio() -> None:
    segments = deepcopy(RAW_REQUEST["segments"])
    segments[0]["audioInput"] = {"refId": "audio-1", "startTime": 0, "endTime": 1.5}
    segments[1]["audioInput"] = {"refId": "audio-1", "startTime": 1.5, "endTime": 3}
    assert len(make_request(segments=segments, audio=RAW_REQUEST["audio"][:1]).segments) == 2


def test_an_area_may_reach_the_edge_despite_float_noise() -> None:
    noise = 5e-7
    area = {"kind": "text", "x": 0.2, "y": 0.1, "w": 0.8 + noise, "h": 0.9 + noise, "start": 0, "end": 1}
    assert len(make_request(effects=[area]).effects) == 1


def test_areas_may_overlap_and_protection_goes_with_erasure() -> None:
    area = RAW_REQUEST["effects"][0]
    assert len(make_request(effects=[area, area, {**area, "kind": "protection"}]).effects) == 3


def test_an_advanced_model_takes_small_areas_of_text() -> None:
    area = {**RAW_REQUEST["effects"][0], "kind": "text", "w": 0.49}
    for model, areas in [("advanced", [area]), ("advanced_large_box", [area]), ("advanced_lite", [area] * 10)]:
        assert len(make_request(effects=areas, options={"inpaint_model": model}).effects) == len(areas)


def test_the_text_removal_model_does_not_matter_without_areas() -> None:
    assert make_request(effects=[], options={"inpaint_model": "advanced", "inpaint_language": "en"}).effects == []


@pytest.mark.parametrize("uri", ["s3://my.bucket-1/a b/ü#?.mp4", "https://example.com:8443/v.mp4?a=1", "HTTPS://x.io"])
def test_public_uris_are_always_accepted(uri: str) -> None:
    assert make_request(video=uri).video == uri


@pytest.mark.parametrize("uri", ["/media/talk.mp4", "talk.mp4", "C:\\talk.mp4", "file:///media/talk.mp4"])
def test_a_local_stack_may_use_files(uri: str) -> None:
    assert parse_request({**RAW_REQUEST, "video": uri}, access=AccessSettings(allow_local_files=True)).video == uri


def test_a_local_stack_may_use_plain_http_under_the_same_rules() -> None:
    access = AccessSettings(allow_plain_http=True, allow_private_inputs=True)
    assert parse_request({**RAW_REQUEST, "video": "http://localhost:9000/v.mp4"}, access=access).video
    with pytest.raises(InvalidRequest, match="user name or password"):
        parse_request({**RAW_REQUEST, "video": "http://me:secret@localhost/v.mp4"}, access=access)


def test_access_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_LOCAL_FILES", "true")
    assert make_request(video="talk.mp4").video == "talk.mp4"


# ---- kinds of jobs -------------------------------------------------------------------------------------------

LIP_SYNC, TEXT_REMOVAL = Stage.LIP_SYNC, Stage.TEXT_REMOVAL
ONE_AUDIO: Final[dict[str, Any]] = {"audio": RAW_REQUEST["audio"][:1], "segments": []}
NO_SPEECH: Final[dict[str, Any]] = {"audio": [], "segments": []}
PROTECTION = {**RAW_REQUEST["effects"][0], "kind": "protection"}


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({}, (LIP_SYNC, TEXT_REMOVAL)),
        ({"effects": []}, (LIP_SYNC,)),
        ({"effects": [], "text_removal": "whole_frame"}, (LIP_SYNC, TEXT_REMOVAL)),
        (ONE_AUDIO, (LIP_SYNC, TEXT_REMOVAL)),
        (ONE_AUDIO | {"effects": []}, (LIP_SYNC,)),
        (NO_SPEECH, (TEXT_REMOVAL,)),
        (NO_SPEECH | {"text_removal": "areas"}, (TEXT_REMOVAL,)),
        (NO_SPEECH | {"effects": [], "text_removal": "whole_frame"}, (TEXT_REMOVAL,)),
    ],
)
def test_a_request_asks_for_lip_sync_text_removal_or_both(changes: dict[str, Any], stages: tuple[Stage, ...]) -> None:
    request = make_request(**changes)
    assert request.stages == stages
    assert requested_stages(to_canonical_json(request)) == stages


@pytest.mark.parametrize("missing", [REMOVED, None, "", [], "[]"])
def test_text_removal_alone_needs_neither_audio_nor_segments(missing: object) -> None:
    lists = {} if missing is REMOVED else {"audio": missing, "segments": missing}
    raw = {name: RAW_REQUEST[name] for name in ("video", "effects", "user_id")}
    request = parse_request(raw | lists)
    assert (request.audio, request.segments) == ([], [])


@pytest.mark.parametrize(
    ("changes", "is_whole"),
    [
        ({}, False),
        ({"effects": [PROTECTION]}, True),
        ({"effects": [PROTECTION, RAW_REQUEST["effects"][0]]}, False),
        ({"effects": [PROTECTION], "text_removal": "whole_frame"}, True),
        ({"effects": []}, False),
    ],
)
def test_only_protection_areas_mean_the_whole_frame(changes: dict[str, Any], is_whole: bool) -> None:
    assert make_request(**changes).removes_whole_frame is is_whole
