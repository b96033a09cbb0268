"""Every way in which a request can be wrong, and the client's error message: one row each."""

import json
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from videojobs.errors import InvalidRequest
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings, LimitSettings

VALID_REQUEST: dict[str, Any] = {
    "video": "s3://media/talk.mp4",
    "audio": [
        {"refId": "audio-1", "source": "s3://media/one.wav"},
        {"refId": "audio-2", "source": "https://example.com/two.wav"},
    ],
    "segments": [
        {"startTime": 0, "endTime": 1.8, "audioInput": {"refId": "audio-1"}},
        {"startTime": 2, "endTime": 3.2, "audioInput": {"refId": "audio-2"}},
    ],
    "effects": [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}],
    "user_id": "user-1",
    "options": {},
}
REMOVED = object()
Change = tuple[tuple[str | int, ...], object]


class RefusalCase(NamedTuple):
    """A change to a valid request, and the one problem it must cause."""

    path: str
    message: str
    changes: list[Change]


def change_request(changes: list[Change]) -> dict[str, Any]:
    request = deepcopy(VALID_REQUEST)
    for (*way, last), value in changes:
        place: Any = request
        for step in way:
            place = place[step]
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(deepcopy(value))
        else:
            place[last] = deepcopy(value)
    return request


def refusal_case(path: str, message: str, *changes: Change) -> RefusalCase:
    return RefusalCase(path, message, list(changes))


def field_path(*place: str | int) -> tuple[str | int, ...]:
    return place


NAN, INFINITE = float("nan"), float("inf")
VALID_SEGMENT, VALID_AREA = VALID_REQUEST["segments"][0], VALID_REQUEST["effects"][0]
PROTECTION_AREA = {**VALID_AREA, "kind": "protection"}
TEXT_AREA = {**VALID_AREA, "kind": "text", "w": 0.1}
NUMBER_MESSAGE = "must be a number without quotes"
FINITE_MESSAGE = "must be a finite number"
LATER_MESSAGE = "must be later than the start"
NAME_MESSAGE = "must be 1 to 64 letters, digits, - or _"
OWNER_MESSAGE = "start with a letter or a digit"
OBJECT_MESSAGE = "must be an object with the fields"
LIST_MESSAGE = "must be a list, or the JSON text of a list"
UNKNOWN_FIELD_MESSAGE = "is not a known field"

LIST_CASES = [
    refusal_case("segments", "is required", (field_path("segments"), REMOVED)),
    refusal_case("segments", "is required", (field_path("segments"), None)),
    refusal_case("segments", "is required", (field_path("segments"), "")),
    refusal_case("segments", "at least one entry", (field_path("segments"), [])),
    refusal_case("segments", "at least one entry", (field_path("segments"), "[]")),
    refusal_case("segments", "not a number", (field_path("segments"), 7)),
    refusal_case("segments", "not an object", (field_path("segments"), VALID_SEGMENT)),
    refusal_case("segments", "not an object", (field_path("segments"), json.dumps(VALID_SEGMENT))),
    refusal_case("segments", "not true or false", (field_path("segments"), "true")),
    refusal_case("segments", "not valid JSON", (field_path("segments"), "[{]")),
    refusal_case("segments", "at character 4", (field_path("segments"), "[1 2]")),
    refusal_case("segments", "contains NaN", (field_path("segments"), '[{"startTime": NaN}]')),
    refusal_case("segments", "contains -Infinity", (field_path("segments"), "[-Infinity]")),
    refusal_case("segments", "gives 'endTime' twice", (field_path("segments"), '[{"endTime": 1, "endTime": 2}]')),
    refusal_case("segments", "nested too deeply", (field_path("segments"), "[" * 100_000)),
    refusal_case(
        "segments", "more than twice", (field_path("segments"), json.dumps(json.dumps(json.dumps([VALID_SEGMENT]))))
    ),
    refusal_case("segments", "not a bytes", (field_path("segments"), b"[]")),
    refusal_case("segments[0]", OBJECT_MESSAGE, (field_path("segments", 0), "0-1.8")),
    refusal_case("audio", "is required", (field_path("audio"), REMOVED)),
    refusal_case("audio", "at least one entry", (field_path("audio"), [])),
    refusal_case("audio", LIST_MESSAGE, (field_path("audio"), {"audio-1": "s3://media/one.wav"})),
    refusal_case("audio", "not valid JSON", (field_path("audio"), "s3://media/one.wav")),
    refusal_case("audio[0]", OBJECT_MESSAGE, (field_path("audio", 0), None)),
    refusal_case("effects", "not an object", (field_path("effects"), {})),
    refusal_case("effects", "not a number", (field_path("effects"), 0)),
    refusal_case("effects", "not true or false", (field_path("effects"), False)),
    refusal_case("effects", "not an object", (field_path("effects"), "{}")),
    refusal_case("effects", "not a number", (field_path("effects"), "7")),
    refusal_case("effects", "not valid JSON", (field_path("effects"), "none")),
    refusal_case("effects", "not valid JSON", (field_path("effects"), '"oops"')),
    refusal_case("effects", "contains Infinity", (field_path("effects"), '[{"x": Infinity}]')),
    refusal_case(
        "effects", "more than twice", (field_path("effects"), json.dumps(json.dumps(json.dumps([VALID_AREA]))))
    ),
    refusal_case("effects[0]", OBJECT_MESSAGE, (field_path("effects", 0), [0.3, 0.3])),
]

TIME_CASES = [
    refusal_case(
        "segments[0].startTime",
        "is required: The second of the video",
        (field_path("segments", 0, "startTime"), REMOVED),
    ),
    refusal_case("segments[1].endTime", "is required", (field_path("segments", 1, "endTime"), REMOVED)),
    refusal_case("segments[0].startTime", "must be 0 or more", (field_path("segments", 0, "startTime"), -0.1)),
    refusal_case("segments[0].startTime", NUMBER_MESSAGE, (field_path("segments", 0, "startTime"), "0")),
    refusal_case("segments[0].startTime", NUMBER_MESSAGE, (field_path("segments", 0, "startTime"), False)),
    refusal_case("segments[0].endTime", NUMBER_MESSAGE, (field_path("segments", 0, "endTime"), None)),
    refusal_case("segments[0].endTime", NUMBER_MESSAGE, (field_path("segments", 0, "endTime"), 10**400)),
    refusal_case("segments[1].endTime", FINITE_MESSAGE, (field_path("segments", 1, "endTime"), INFINITE)),
    refusal_case("segments[1].endTime", FINITE_MESSAGE, (field_path("segments", 1, "endTime"), NAN)),
    refusal_case(
        "segments[0].startTime",
        FINITE_MESSAGE,
        (field_path("segments"), json.dumps(VALID_REQUEST["segments"]).replace("0,", "1e999,")),
    ),
    refusal_case("segments[0].endTime", f"{LATER_MESSAGE} (0 s)", (field_path("segments", 0, "endTime"), 0)),
    refusal_case("segments[1].endTime", f"{LATER_MESSAGE} (2 s)", (field_path("segments", 1, "endTime"), 1.9)),
    refusal_case("segments[0].endTime", "the minimum is 0.1 s", (field_path("segments", 0, "endTime"), 0.05)),
    refusal_case(
        "segments[1].startTime", "overlaps segments[0] (0 s to 1.8 s)", (field_path("segments", 1, "startTime"), 1.79)
    ),
    refusal_case(
        "segments[0].startTime",
        "overlaps segments[1]",
        (field_path("segments", 0), {**VALID_SEGMENT, "startTime": 3, "endTime": 4}),
    ),
    refusal_case(
        "segments[1].startTime",
        "overlaps",
        (field_path("segments", 1), {**VALID_REQUEST["segments"][1], "startTime": 0.5, "endTime": 1}),
    ),
    refusal_case(
        "segments[0].audioInput.endTime",
        f"{LATER_MESSAGE} (0 s)",
        (field_path("segments", 0, "audioInput", "endTime"), 0),
    ),
    refusal_case(
        "segments[1].audioInput.endTime",
        f"{LATER_MESSAGE} (1.5 s)",
        (field_path("segments", 1, "audioInput"), {"refId": "audio-2", "startTime": 1.5, "endTime": 1.5}),
    ),
    refusal_case(
        "segments[0].audioInput.startTime",
        "must be 0 or more",
        (field_path("segments", 0, "audioInput"), {"refId": "audio-1", "startTime": -1, "endTime": 1}),
    ),
    refusal_case("effects[0].end", f"{LATER_MESSAGE} (4.1 s)", (field_path("effects", 0, "end"), 4.1)),
    refusal_case("effects[0].end", LATER_MESSAGE, (field_path("effects", 0, "end"), 1)),
    refusal_case("effects[0].start", "must be 0 or more", (field_path("effects", 0, "start"), -1)),
    refusal_case("effects[0].start", NUMBER_MESSAGE, (field_path("effects", 0, "start"), "4.1")),
    refusal_case("effects[0].end", "is required", (field_path("effects", 0, "end"), REMOVED)),
]

NAME_CASES = [
    refusal_case("segments[0].audioInput", "is required", (field_path("segments", 0, "audioInput"), REMOVED)),
    refusal_case("segments[0].audioInput", OBJECT_MESSAGE, (field_path("segments", 0, "audioInput"), "audio-1")),
    refusal_case("segments[0].audioInput.refId", "is required", (field_path("segments", 0, "audioInput"), {})),
    refusal_case("segments[0].audioInput.refId", "must be text", (field_path("segments", 0, "audioInput", "refId"), 1)),
    refusal_case(
        "segments[2].audioInput.refId",
        "the audio files are audio-1, audio-2",
        (field_path("segments", 2), {"startTime": 5, "endTime": 6, "audioInput": {"refId": "audio-3"}}),
    ),
    refusal_case(
        "audio[2].refId",
        "not used by any segment",
        (field_path("audio", 2), {"refId": "spare", "source": "s3://media/s.wav"}),
    ),
    refusal_case(
        "audio[2].refId",
        "already used by audio[0]",
        (field_path("audio", 2), {"refId": "audio-1", "source": "s3://media/3.wav"}),
    ),
    refusal_case("audio[0].refId", "is required", (field_path("audio", 0, "refId"), REMOVED)),
    refusal_case(
        "audio[2].refId",
        NAME_MESSAGE,
        (field_path("audio", 2), {"refId": "a b", "source": "s3://media/s.wav"}),
        (field_path("segments"), "["),
    ),
    refusal_case("user_id", "is required: Whose job this is", (field_path("user_id"), REMOVED)),
    refusal_case("user_id", OWNER_MESSAGE, (field_path("user_id"), "")),
    refusal_case("user_id", OWNER_MESSAGE, (field_path("user_id"), "../../etc")),
    refusal_case("user_id", OWNER_MESSAGE, (field_path("user_id"), ".hidden")),
    refusal_case("user_id", OWNER_MESSAGE, (field_path("user_id"), "user-1\n")),
    refusal_case("user_id", OWNER_MESSAGE, (field_path("user_id"), "u" * 65)),
    refusal_case("user_id", "must be text", (field_path("user_id"), 12)),
    refusal_case("display_name", "at most 200 characters", (field_path("display_name"), "x" * 201)),
    refusal_case("display_name", "control characters", (field_path("display_name"), "two\nlines")),
    refusal_case("display_name", "control characters", (field_path("display_name"), "nul\x00")),
    refusal_case("display_name", "not valid Unicode", (field_path("display_name"), "\ud800")),
    refusal_case("display_name", "must be text", (field_path("display_name"), ["a"])),
    refusal_case("segments[0].label", "at most 200 characters", (field_path("segments", 0, "label"), "x" * 201)),
]

UNKNOWN_FIELD_CASES = [
    refusal_case("segments_data", UNKNOWN_FIELD_MESSAGE, (field_path("segments_data"), "[]")),
    refusal_case("segments[0].speed", UNKNOWN_FIELD_MESSAGE, (field_path("segments", 0, "speed"), 2)),
    refusal_case(
        "segments[0].audioInput.url", UNKNOWN_FIELD_MESSAGE, (field_path("segments", 0, "audioInput", "url"), "x")
    ),
    refusal_case("audio[1].name", UNKNOWN_FIELD_MESSAGE, (field_path("audio", 1, "name"), "two")),
    refusal_case(
        "effects[0].color", "The fields here are kind, x, y, w, h", (field_path("effects", 0, "color"), "red")
    ),
    refusal_case("effects[0].type", "is an old name of kind", (field_path("effects", 0, "type"), "text")),
    refusal_case("effects[0].endTime", "is an old name of end", (field_path("effects", 0, "endTime"), 9)),
    refusal_case("options.temperature", UNKNOWN_FIELD_MESSAGE, (field_path("options", "temperature"), 0.5)),
    refusal_case("'bad name'", UNKNOWN_FIELD_MESSAGE, (field_path("bad name"), 1)),
    refusal_case("segments[0][7]", "field names are text", (field_path("segments", 0), {**VALID_SEGMENT, 7: 1})),
]

URI_CASES = [
    refusal_case("video", "is required", (field_path("video"), REMOVED)),
    refusal_case("video", "must not be empty", (field_path("video"), " ")),
    refusal_case("video", "must be text", (field_path("video"), 5)),
    refusal_case("video", "at most 4096 characters", (field_path("video"), "https://example.com/" + "v" * 4096)),
    refusal_case("video", "must not be a file path here", (field_path("video"), "/media/talk.mp4")),
    refusal_case("video", "must not be a file path here", (field_path("video"), "C:\\talk.mp4")),
    refusal_case("video", "must not be a file path here", (field_path("video"), "file:///media/talk.mp4")),
    refusal_case("video", "must not be plain http", (field_path("video"), "http://example.com/talk.mp4")),
    refusal_case("video", "ftp: is not supported", (field_path("video"), "ftp://example.com/talk.mp4")),
    refusal_case("video", "data: is not supported", (field_path("video"), "data:video/mp4;base64,AAAA")),
    refusal_case("video", "user name or password", (field_path("video"), "https://me:secret@example.com/talk.mp4")),
    refusal_case("video", "user name or password", (field_path("video"), "https://token@example.com/talk.mp4")),
    refusal_case("video", "must be a complete URL", (field_path("video"), "https:///talk.mp4")),
    refusal_case("video", "must be a complete URL", (field_path("video"), "https://example.com:port/talk.mp4")),
    refusal_case("video", "must be a complete URL", (field_path("video"), "https://[::1/talk.mp4")),
    refusal_case("video", "must be a complete URL", (field_path("video"), "https://example.com/my talk.mp4")),
    refusal_case("video", "must be s3://bucket/key", (field_path("video"), "s3://media")),
    refusal_case("video", "must be s3://bucket/key", (field_path("video"), "s3://media/folder/")),
    refusal_case("video", "must be s3://bucket/key", (field_path("video"), "s3://UPPER/talk.mp4")),
    refusal_case("video", "control characters", (field_path("video"), "s3://media/talk\x00.mp4")),
    refusal_case("audio[0].source", "must be s3://bucket/key", (field_path("audio", 0, "source"), "s3:///one.wav")),
    refusal_case(
        "audio[1].source", "must not be plain http", (field_path("audio", 1, "source"), "http://example.com/two.wav")
    ),
    refusal_case("audio[1].source", "is required", (field_path("audio", 1, "source"), REMOVED)),
]

AREA_CASES = [
    refusal_case(
        "effects[0].kind", "one of 'erasure', 'protection' or 'text'", (field_path("effects", 0, "kind"), "blur")
    ),
    refusal_case("effects[0].kind", "is required", (field_path("effects", 0, "kind"), REMOVED)),
    refusal_case("effects[0].x", "must be 0 or more", (field_path("effects", 0, "x"), -0.01)),
    refusal_case("effects[0].y", "not pixels or percent", (field_path("effects", 0, "y"), 300)),
    refusal_case("effects[0].w", "must be 0.001 or more", (field_path("effects", 0, "w"), 0)),
    refusal_case("effects[0].h", "must be 0.001 or more", (field_path("effects", 0, "h"), -0.4)),
    refusal_case("effects[0].w", FINITE_MESSAGE, (field_path("effects", 0, "w"), NAN)),
    refusal_case("effects[0].h", NUMBER_MESSAGE, (field_path("effects", 0, "h"), True)),
    refusal_case(
        "effects[0].w", "exceeds the picture on the right: x + w is 1.1", (field_path("effects", 0, "x"), 0.7)
    ),
    refusal_case("effects[0].h", "exceeds the picture at the bottom", (field_path("effects", 0, "h"), 0.70001)),
    refusal_case(
        "effects",
        "nothing to remove",
        (field_path("effects"), [PROTECTION_AREA, PROTECTION_AREA]),
        (field_path("text_removal"), "areas"),
    ),
    refusal_case("effects", "nothing to remove", (field_path("effects"), []), (field_path("text_removal"), "areas")),
    refusal_case("effects[0].kind", "must be protection", (field_path("text_removal"), "whole_frame")),
    refusal_case("text_removal", "one of 'areas' or 'whole_frame'", (field_path("text_removal"), "frame")),
    refusal_case(
        "options.inpaint_model",
        "must be basic for text removal in the whole frame",
        (field_path("effects"), []),
        (field_path("text_removal"), "whole_frame"),
        (field_path("options"), {"inpaint_model": "advanced"}),
    ),
    refusal_case(
        "options.inpaint_model",
        "must be basic for text removal in the whole frame",
        (field_path("effects"), [PROTECTION_AREA]),
        (field_path("options"), {"inpaint_model": "advanced_lite"}),
    ),
    refusal_case(
        "audio",
        "there is nothing else to do",
        (field_path("audio"), []),
        (field_path("segments"), []),
        (field_path("effects"), []),
    ),
    refusal_case(
        "effects[1].kind", "must be one of", (field_path("effects"), [PROTECTION_AREA, {**VALID_AREA, "kind": "blur"}])
    ),
]


def with_model(model: str, *areas: object, language: str = "all") -> tuple[Change, Change]:
    options = {"inpaint_model": model, "inpaint_language": language}
    return (field_path("options"), options), (field_path("effects"), list(areas))


OPTION_CASES = [
    refusal_case("options", OBJECT_MESSAGE, (field_path("options"), None)),
    refusal_case("options", OBJECT_MESSAGE, (field_path("options"), "[1]")),
    refusal_case("options", "is not valid JSON", (field_path("options"), "{model: sync-3}")),
    refusal_case("options", "more than twice", (field_path("options"), json.dumps(json.dumps(json.dumps({}))))),
    refusal_case("options.sync_mode", "one of 'remap'", (field_path("options"), '{"sync_mode": "stretch"}')),
    refusal_case("options.model", "one of 'lipsync-2'", (field_path("options", "model"), "wav2lip")),
    refusal_case("options.sync_mode", "one of 'remap'", (field_path("options", "sync_mode"), "stretch")),
    refusal_case("options.inpaint_model", "'advanced_large_box'", (field_path("options", "inpaint_model"), "pro")),
    refusal_case("options.inpaint_language", "one of 'all'", (field_path("options", "inpaint_language"), "de")),
    refusal_case("options.inpaint_language", "must be all", *with_model("advanced_lite", TEXT_AREA, language="en")),
    refusal_case(
        "effects[1].kind",
        "must be text with the model advanced_lite",
        *with_model("advanced_lite", TEXT_AREA, PROTECTION_AREA),
    ),
    refusal_case(
        "effects[0].kind",
        "must be text with the model advanced",
        *with_model("advanced", {**TEXT_AREA, "kind": "erasure"}),
    ),
    refusal_case("effects", "at most 10 areas", *with_model("advanced_lite", *[TEXT_AREA] * 11)),
    refusal_case("effects", "at most 1 area", *with_model("advanced", TEXT_AREA, TEXT_AREA)),
    refusal_case("effects", "at most 1 area", *with_model("advanced_large_box", TEXT_AREA, TEXT_AREA)),
    refusal_case("effects[0]", "less than 20%", *with_model("advanced", {**TEXT_AREA, "w": 0.5, "h": 0.4})),
    refusal_case(
        "effects[0]", "less than 40%", *with_model("advanced_large_box", {**TEXT_AREA, "x": 0, "w": 1, "h": 0.4})
    ),
]

ALL_CASES = LIST_CASES + TIME_CASES + NAME_CASES + UNKNOWN_FIELD_CASES + URI_CASES + AREA_CASES + OPTION_CASES


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case.path}: {case.message}")
def test_a_mistake_gives_one_problem_with_its_field_and_advice(case: RefusalCase) -> None:
    problems = refused_problems(change_request(case.changes))
    broken_lists = {change[0][0] for change in case.changes if change[1] == "["}
    assert {problem.path for problem in problems} == {case.path} | broken_lists
    assert [problem for problem in problems if problem.path == case.path and case.message in problem.message]


def refused_problems(request: Any, **settings: Any) -> Any:
    with pytest.raises(InvalidRequest) as refusal:
        parse_request(request, **settings)
    return refusal.value.errors


def test_the_unchanged_request_is_good() -> None:
    parse_request(VALID_REQUEST)


def test_the_table_has_more_than_a_hundred_distinct_rows() -> None:
    assert len({repr(wrong) for wrong in ALL_CASES}) == len(ALL_CASES) > 100


def test_a_request_must_be_an_object() -> None:
    (problem,) = refused_problems([VALID_REQUEST])
    assert (problem.path, problem.message) == ("request", "must be an object, not a list")


def test_field_and_cross_field_problems_are_reported_together() -> None:
    request = change_request(
        [
            (field_path("segments", 2), {"startTime": 1, "endTime": 1.5, "audioInput": {"refId": "audio-9"}}),
            (field_path("segments", 1, "endTime"), "3.2"),
            (field_path("audio", 0, "source"), "ftp://example.com/one.wav"),
            (field_path("effects", 0, "x"), 0.9),
            (field_path("user_id"), "a/b"),
            (field_path("extra"), 1),
        ]
    )
    assert {problem.path for problem in refused_problems(request)} == {
        "segments[1].endTime",
        "segments[2].startTime",
        "segments[2].audioInput.refId",
        "audio[0].source",
        "effects[0].w",
        "user_id",
        "extra",
    }


def test_every_segment_under_a_long_one_overlaps_it() -> None:
    times = [(0, 9), (1, 2), (3, 4)]
    segments = [{**VALID_SEGMENT, "startTime": start, "endTime": end} for start, end in times]
    problems = refused_problems(
        change_request([(field_path("segments"), segments), (field_path("audio"), VALID_REQUEST["audio"][:1])])
    )
    assert [problem.path for problem in problems] == ["segments[1].startTime", "segments[2].startTime"]


def test_a_list_over_its_limit_is_refused_as_one_problem() -> None:
    limits = LimitSettings(max_segments=1, max_areas=1)
    request = change_request([(field_path("effects"), [VALID_AREA, VALID_AREA])])
    problems = {problem.path: problem.message for problem in refused_problems(request, limits=limits)}
    assert problems.keys() == {"audio", "segments", "effects"}
    assert problems["effects"] == "has 2 entries; at most 1 are allowed"


def test_the_shortest_segment_is_a_setting() -> None:
    (problem,) = refused_problems(VALID_REQUEST, limits=LimitSettings(min_segment_seconds=1.5))
    assert (problem.path, problem.message[:31]) == ("segments[1].endTime", "makes the segment 1.2 s long; t")


def test_a_refused_uri_does_not_show_its_signature() -> None:
    problems = refused_problems(
        change_request([(field_path("video"), "http://example.com/v.mp4?X-Amz-Signature=0123abcd")])
    )
    assert "0123abcd" not in str(problems)


def test_even_a_local_stack_takes_only_absolute_file_urls() -> None:
    request = change_request([(field_path("video"), "file://elsewhere/talk.mp4")])
    (problem,) = refused_problems(request, access=AccessSettings(allow_local_files=True))
    assert problem.message == "must be a path, or file:/// followed by an absolute path"


def test_a_very_long_field_name_is_truncated() -> None:
    (problem,) = refused_problems({**VALID_REQUEST, "n" * 5000: 1})
    assert problem.path == "'" + "n" * 64 + "'"
