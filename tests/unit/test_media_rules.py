"""Rules that need media facts."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.example_request import make_request
from videojobs.errors import FieldError
from videojobs.requests.media_rules import validate_lip_sync_result, validate_media
from videojobs.requests.parsing import parse_request
from videojobs.settings import LimitSettings


@dataclass(frozen=True)
class AudioSpec:
    duration: float = 3.0
    container: str = "wav"
    size: int = 100_000


@dataclass(frozen=True)
class VideoSpec:
    duration: float = 8.0
    container: str = "mp4"
    size: int = 5_000_000
    width: int = 1280
    height: int = 720
    frame_rate: float = 25.0


VIDEO, CLIP = VideoSpec(), AudioSpec()
SEGMENTS = [
    {"startTime": 0, "endTime": 2, "audioInput": {"refId": "a"}},
    {"startTime": 3, "endTime": 8, "audioInput": {"refId": "b"}},
]
AREA = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4, "end": 8}


def find_problems(
    video: VideoSpec = VIDEO,
    a: AudioSpec = CLIP,
    b: AudioSpec = CLIP,
    limits: LimitSettings | None = None,
    **changes: Any,
) -> list[FieldError]:
    raw = {
        "video": "s3://media/talk.mp4",
        "audio": [{"refId": "a", "source": "s3://media/a.wav"}, {"refId": "b", "source": "s3://media/b.wav"}],
        "segments": SEGMENTS,
        "effects": [AREA],
        "user_id": "user-1",
        **changes,
    }
    return validate_media(parse_request(raw), video, {"a": a, "b": b}, limits or LimitSettings())


def only_problem(found: list[FieldError]) -> tuple[str, str]:
    (problem,) = found
    return problem.path, problem.message


def test_media_that_fits_has_no_problem() -> None:
    assert find_problems() == []


# ---- the files -----------------------------------------------------------------------------------------------


def test_a_video_longer_than_the_plan_allows_is_refused() -> None:
    assert only_problem(find_problems(replace(VIDEO, duration=301.2))) == (
        "video",
        "is 301.2 s long; at most 300 s are allowed",
    )


def test_a_video_of_exactly_the_plans_length_is_accepted() -> None:
    assert find_problems(replace(VIDEO, duration=300.0)) == []


def test_a_video_too_big_in_bytes_is_refused() -> None:
    limits = LimitSettings(max_video_bytes=4_000_000)
    assert only_problem(find_problems(limits=limits)) == ("video", "has 5.0 MB; at most 4.0 MB are allowed")


@pytest.mark.parametrize(("width", "height"), [(4098, 2160), (4096, 2162), (2162, 4096), (3000, 3000)])
def test_a_picture_with_too_many_pixels_is_refused(width: int, height: int) -> None:
    path, message = only_problem(find_problems(replace(VIDEO, width=width, height=height)))
    assert (path, message) == ("video", f"has {width} x {height} pixels; at most 4096 x 2160 are possible")


def test_a_portrait_video_has_the_same_pixel_limit() -> None:
    assert find_problems(replace(VIDEO, width=2160, height=4096)) == []


@pytest.mark.parametrize("container", ["mkv", "3gp", "flac", "MP4"])
def test_a_video_in_another_container_is_refused(container: str) -> None:
    expected = f"is a {container} file; convert it to one of avi, mov, mp4, webm"
    assert only_problem(find_problems(replace(VIDEO, container=container))) == ("video", expected)


def test_an_audio_in_another_container_is_refused() -> None:
    path, message = only_problem(find_problems(b=replace(CLIP, container="m4a")))
    assert (path, message) == ("audio[1].source", "is a m4a file; convert it to one of flac, mp3, mp4, ogg, wav")


def test_an_audio_that_is_too_long_is_refused() -> None:
    path, message = only_problem(find_problems(a=replace(CLIP, duration=300.5)))
    assert (path, message) == ("audio[0].source", "is 300.5 s long; at most 300 s are allowed")


def test_an_audio_too_big_in_bytes_is_refused() -> None:
    path, message = only_problem(find_problems(a=replace(CLIP, size=300_000_000)))
    assert (path, message) == ("audio[0].source", "has 300.0 MB; at most 268.4 MB are allowed")


# ---- times ---------------------------------------------------------------------------------------------------


def test_a_segment_past_the_videos_end_is_refused() -> None:
    path, message = only_problem(find_problems(replace(VIDEO, duration=7.9), effects=None))
    assert (path, message) == ("segments[1].endTime", "is 8 s, but the video lasts 7.9 s")


def test_an_area_may_last_until_the_audio_ends() -> None:
    lasting = [{**AREA, "end": 10}]
    assert find_problems(effects=lasting) == []
    assert only_problem(find_problems(effects=[{**AREA, "end": 10.01}]))[0] == "effects[0].end"


def test_a_segment_may_exceed_the_video_by_margin_and_one_frame() -> None:
    assert find_problems(replace(VIDEO, duration=7.91), effects=None) == []
    path, message = only_problem(find_problems(replace(VIDEO, duration=7.909), effects=None))
    assert (path, message) == ("segments[1].endTime", "is 8 s, but the video lasts 7.909 s")


def test_a_segment_cut_too_short_by_the_videos_end_is_refused() -> None:
    segments = [SEGMENTS[0], {**SEGMENTS[1], "startTime": 7.9}]
    path, message = only_problem(find_problems(segments=segments))
    assert path == "segments[1].endTime"
    assert message == (
        "is 8 s, but Sync.so accepts this segment only up to 7.95 s, a little before the video ends or the next "
        "segment begins: that leaves 0.05 s of it; the minimum is 0.1 s"
    )


def test_a_segment_that_starts_within_the_end_margin_is_refused() -> None:
    segments = [SEGMENTS[0], {**SEGMENTS[1], "startTime": 7.97, "endTime": 8.08}]
    path, message = only_problem(find_problems(segments=segments))
    assert path == "segments[1].endTime"
    assert "that leaves nothing of it" in message


def test_a_segment_cut_too_short_by_the_next_one_is_refused() -> None:
    segments = [{**SEGMENTS[0], "endTime": 0.11}, {**SEGMENTS[1], "startTime": 0.11}]
    path, message = only_problem(find_problems(segments=segments))
    assert path == "segments[0].endTime"
    assert "only up to 0.09 s" in message


def test_adjustable_ends_are_accepted() -> None:
    """Files that one program measures as 8.336 s and another as 8.334 s; parts that touch, in the order of a drag."""
    behind = {**SEGMENTS[1], "startTime": 2.22, "endTime": 8.336, "audioInput": {"refId": "b"}}
    before = {**SEGMENTS[0], "endTime": 2.22, "audioInput": {"refId": "a", "startTime": 0, "endTime": 8.336}}
    audio = replace(CLIP, duration=8.334)
    assert find_problems(replace(VIDEO, duration=8.336), a=audio, segments=[behind, before]) == []


def test_a_segment_at_the_videos_end_has_both_ends_refused() -> None:
    found = {problem.path for problem in find_problems(replace(VIDEO, duration=3.0), effects=None)}
    assert found == {"segments[1].startTime", "segments[1].endTime"}


def test_an_area_outside_the_video_is_refused() -> None:
    effects = [AREA, {**AREA, "end": 10.5}, {**AREA, "start": 9, "end": 11}]
    found = {problem.path: problem.message for problem in find_problems(effects=effects)}
    assert found == {
        "effects[1].end": "is 10.5 s, but the video lasts 8 s",
        "effects[2].start": "is 9 s, but the video lasts 8 s",
        "effects[2].end": "is 11 s, but the video lasts 8 s",
    }


def crop_problems(start: float, end: float) -> list[dict[str, Any]]:
    return [{**SEGMENTS[0], "audioInput": {"refId": "a", "startTime": start, "endTime": end}}, SEGMENTS[1]]


def test_a_crop_that_ends_after_its_audio_is_refused() -> None:
    path, message = only_problem(find_problems(segments=crop_problems(1, 3.2)))
    assert (path, message) == (
        "segments[0].audioInput.endTime",
        "is 3.2 s, but the audio a lasts 3 s; choose a part within it",
    )


def test_a_crop_may_exceed_its_audio_by_margin_and_one_frame() -> None:
    assert find_problems(segments=crop_problems(1, 3.09)) == []
    assert only_problem(find_problems(segments=crop_problems(1, 3.091)))[0] == "segments[0].audioInput.endTime"


def test_a_crop_that_starts_after_its_audio_is_refused() -> None:
    path, message = only_problem(find_problems(segments=crop_problems(3, 3.05)))
    assert (path, message) == (
        "segments[0].audioInput.startTime",
        "is 3 s, but the audio a lasts 3 s; choose a part within it",
    )
    found = [problem.path for problem in find_problems(segments=crop_problems(9.5, 10.8))]
    assert found == ["segments[0].audioInput.startTime", "segments[0].audioInput.endTime"]


def test_a_crop_with_nothing_left_in_its_audio_is_refused() -> None:
    path, message = only_problem(find_problems(segments=crop_problems(2.96, 3)))
    assert path == "segments[0].audioInput.endTime"
    assert message == ("leaves no audio: Sync.so accepts the audio only up to 2.95 s, since the audio a lasts 3 s")


def test_a_crop_with_less_than_a_frame_left_is_refused() -> None:
    path, message = only_problem(find_problems(segments=crop_problems(2.93, 3)))
    assert path == "segments[0].audioInput"
    assert "is shorter than one frame" in message


def test_an_uncropped_audio_may_be_of_any_length() -> None:
    assert find_problems(a=replace(CLIP, duration=0.06)) == []


def test_a_crop_beyond_the_end_of_its_audio_is_refused() -> None:
    late = [{**SEGMENTS[0], "audioInput": {"refId": "a", "startTime": 3}}, SEGMENTS[1]]
    path, message = only_problem(find_problems(segments=late))
    assert (path, message) == (
        "segments[0].audioInput.startTime",
        "is 3 s, but the audio a lasts 3 s; choose a part within it",
    )


# ---- predictions ---------------------------------------------------------------------------------------------


def test_a_segment_shorter_than_a_frame_is_refused() -> None:
    path, message = only_problem(find_problems(segments=crop_problems(1, 1.03)))
    assert path == "segments[0].audioInput"
    assert message == "is shorter than one frame: nothing of the segment from 0 s to 2 s would be left"


def test_silence_mode_accepts_any_audio_length() -> None:
    assert find_problems(segments=crop_problems(1, 1.03), options={"sync_mode": "silence"}) == []


def test_a_result_too_long_for_text_removal_is_refused_upfront() -> None:
    limits = LimitSettings(inpaint_max_seconds=8.5)
    expected = "the lip-sync result will be about 9.1 s long; text removal accepts at most 8.5 s"
    assert only_problem(find_problems(b=replace(CLIP, duration=5.0), limits=limits)) == ("effects", expected)


def test_a_long_result_is_fine_without_text_removal() -> None:
    limits, longer = LimitSettings(inpaint_max_seconds=8.5), replace(CLIP, duration=5.0)
    assert find_problems(b=longer, limits=limits, effects=None) == []
    assert find_problems(b=longer, limits=limits, options={"sync_mode": "cut_off"}) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"video": replace(VIDEO, container="mkv")}, "unsupported_format"),
        ({"video": replace(VIDEO, width=100_000)}, "too_large"),
        ({"a": replace(CLIP, size=10**12)}, "too_large"),
        ({"a": replace(CLIP, duration=1e6)}, "too_long"),
        ({"effects": [{**AREA, "end": 100}]}, "outside_media"),
    ],
)
def test_a_problem_of_a_file_has_its_code(changes: dict[str, Any], code: str) -> None:
    assert [problem.code for problem in find_problems(**changes)] == [code]


def test_all_problems_come_at_once() -> None:
    found = find_problems(
        replace(VIDEO, container="mkv", duration=5.9, width=8000),
        a=replace(CLIP, container="amr", size=10**9),
        segments=crop_problems(1, 4),
    )
    assert [problem.path for problem in found] == [
        "video",
        "video",
        "audio[0].source",
        "audio[0].source",
        "segments[0].audioInput.endTime",
        "segments[1].endTime",
        "effects[0].end",
    ]


# ---- other kinds of jobs -------------------------------------------------------------------------------------

NO_SPEECH: dict[str, Any] = {"audio": [], "segments": []}


def test_a_source_for_text_removal_alone_has_that_vendors_limits() -> None:
    assert find_problems(replace(VIDEO, duration=899), **NO_SPEECH) == []
    long, webm = replace(VIDEO, duration=899.5), replace(VIDEO, container="webm")
    assert only_problem(find_problems(long, **NO_SPEECH)) == ("video", "is 899.5 s long; at most 899 s are allowed")
    expected = ("video", "is a webm file; convert it to one of avi, mov, mp4")
    assert only_problem(find_problems(webm, **NO_SPEECH)) == expected
    too_big = replace(VIDEO, size=LimitSettings().inpaint_max_bytes)
    assert only_problem(find_problems(too_big, **NO_SPEECH))[0] == "video"


def test_one_audio_for_the_video_sets_the_length_of_the_result() -> None:
    whole = {
        "audio": [{"refId": "a", "source": "s3://media/a.wav"}],
        "segments": [],
        "effects": [],
        "text_removal": "whole_frame",
        "options": {"sync_mode": "loop"},
    }
    assert whole_video_problems(AudioSpec(duration=290), whole) == []
    limits = LimitSettings(inpaint_max_seconds=200)
    expected = ("text_removal", "the lip-sync result will be about 290 s long; text removal accepts at most 200 s")
    assert only_problem(whole_video_problems(AudioSpec(duration=290), whole, limits)) == expected
    expected = ("audio[0].source", "is shorter than one frame: nothing of the video would be left")
    assert only_problem(whole_video_problems(AudioSpec(duration=0.03), whole)) == expected


def whole_video_problems(
    sound: AudioSpec, changes: dict[str, Any], limits: LimitSettings | None = None
) -> list[FieldError]:
    return validate_media(make_request(**changes), VIDEO, {"a": sound}, limits or LimitSettings())


# ---- the measured result -------------------------------------------------------------------------------------


def test_a_result_that_fits_may_go_on_to_text_removal() -> None:
    assert validate_lip_sync_result(make_request(), VideoSpec(duration=899.0, size=999_999_999), LimitSettings()) == []


def test_an_oversized_result_may_not_go_on_to_text_removal() -> None:
    result = VideoSpec(duration=899.5, size=10**9)
    assert [problem.message for problem in validate_lip_sync_result(make_request(), result, LimitSettings())] == [
        "text removal accepts at most 899 s; the result is 899.5 s long",
        "the lip-sync result has 1000.0 MB; text removal accepts less than 1000.0 MB",
    ]
