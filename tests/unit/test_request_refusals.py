"""Every way in which a request can be wrong, and what the client is told: one row each."""

import json
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from videojobs.errors import InvalidRequest
from videojobs.intake import parse_request
from videojobs.settings import Access, Limits

GOOD: dict[str, Any] = {
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
GONE = object()
Change = tuple[tuple[str | int, ...], object]


class Row(NamedTuple):
    """What is changed in a good request, and the one problem that is expected."""

    path: str
    says: str
    changes: list[Change]


def changed(changes: list[Change]) -> dict[str, Any]:
    request = deepcopy(GOOD)
    for (*way, last), value in changes:
        place: Any = request
        for step in way:
            place = place[step]
        if value is GONE:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(deepcopy(value))
        else:
            place[last] = deepcopy(value)
    return request


def row(path: str, says: str, *changes: Change) -> Row:
    return Row(path, says, list(changes))


def at(*place: str | int) -> tuple[str | int, ...]:
    return place


NAN, INFINITE = float("nan"), float("inf")
SEGMENT, AREA = GOOD["segments"][0], GOOD["effects"][0]
KEEP = {**AREA, "kind": "protection"}
TEXT = {**AREA, "kind": "text", "w": 0.1}
NUMBER = "must be a number without quotes"
FINITE = "must be a finite number"
LATER = "must be later than the start"
NAME = "must be 1 to 64 letters, digits, - or _"
OWNER = "start with a letter or a digit"
OBJECT = "must be an object with the fields"
LIST = "must be a list, or the JSON text of a list"
NO_FIELD = "is not a known field"

LISTS = [
    row("segments", "is required", (at("segments"), GONE)),
    row("segments", "is required", (at("segments"), None)),
    row("segments", "is required", (at("segments"), "")),
    row("segments", "at least one entry", (at("segments"), [])),
    row("segments", "at least one entry", (at("segments"), "[]")),
    row("segments", "not a number", (at("segments"), 7)),
    row("segments", "not an object", (at("segments"), SEGMENT)),
    row("segments", "not an object", (at("segments"), json.dumps(SEGMENT))),
    row("segments", "not true or false", (at("segments"), "true")),
    row("segments", "not valid JSON", (at("segments"), "[{]")),
    row("segments", "at character 4", (at("segments"), "[1 2]")),
    row("segments", "contains NaN", (at("segments"), '[{"startTime": NaN}]')),
    row("segments", "contains -Infinity", (at("segments"), "[-Infinity]")),
    row("segments", "gives 'endTime' twice", (at("segments"), '[{"endTime": 1, "endTime": 2}]')),
    row("segments", "nested too deeply", (at("segments"), "[" * 100_000)),
    row("segments", "more than twice", (at("segments"), json.dumps(json.dumps(json.dumps([SEGMENT]))))),
    row("segments", "not a bytes", (at("segments"), b"[]")),
    row("segments[0]", OBJECT, (at("segments", 0), "0-1.8")),
    row("audio", "is required", (at("audio"), GONE)),
    row("audio", "at least one entry", (at("audio"), [])),
    row("audio", LIST, (at("audio"), {"audio-1": "s3://media/one.wav"})),
    row("audio", "not valid JSON", (at("audio"), "s3://media/one.wav")),
    row("audio[0]", OBJECT, (at("audio", 0), None)),
    row("effects", "not an object", (at("effects"), {})),
    row("effects", "not a number", (at("effects"), 0)),
    row("effects", "not true or false", (at("effects"), False)),
    row("effects", "not an object", (at("effects"), "{}")),
    row("effects", "not a number", (at("effects"), "7")),
    row("effects", "not valid JSON", (at("effects"), "none")),
    row("effects", "not valid JSON", (at("effects"), '"oops"')),
    row("effects", "contains Infinity", (at("effects"), '[{"x": Infinity}]')),
    row("effects", "more than twice", (at("effects"), json.dumps(json.dumps(json.dumps([AREA]))))),
    row("effects[0]", OBJECT, (at("effects", 0), [0.3, 0.3])),
]

TIMES = [
    row("segments[0].startTime", "is required: The second of the video", (at("segments", 0, "startTime"), GONE)),
    row("segments[1].endTime", "is required", (at("segments", 1, "endTime"), GONE)),
    row("segments[0].startTime", "must be 0 or more", (at("segments", 0, "startTime"), -0.1)),
    row("segments[0].startTime", NUMBER, (at("segments", 0, "startTime"), "0")),
    row("segments[0].startTime", NUMBER, (at("segments", 0, "startTime"), False)),
    row("segments[0].endTime", NUMBER, (at("segments", 0, "endTime"), None)),
    row("segments[0].endTime", NUMBER, (at("segments", 0, "endTime"), 10**400)),
    row("segments[1].endTime", FINITE, (at("segments", 1, "endTime"), INFINITE)),
    row("segments[1].endTime", FINITE, (at("segments", 1, "endTime"), NAN)),
    row("segments[0].startTime", FINITE, (at("segments"), json.dumps(GOOD["segments"]).replace("0,", "1e999,"))),
    row("segments[0].endTime", f"{LATER} (0 s)", (at("segments", 0, "endTime"), 0)),
    row("segments[1].endTime", f"{LATER} (2 s)", (at("segments", 1, "endTime"), 1.9)),
    row("segments[0].endTime", "the shortest that makes sense is 0.1 s", (at("segments", 0, "endTime"), 0.05)),
    row("segments[1].startTime", "overlaps segments[0] (0 s to 1.8 s)", (at("segments", 1, "startTime"), 1.79)),
    row(
        "segments[0].startTime", "overlaps segments[1]", (at("segments", 0), {**SEGMENT, "startTime": 3, "endTime": 4})
    ),
    row(
        "segments[1].startTime",
        "overlaps",
        (at("segments", 1), {**GOOD["segments"][1], "startTime": 0.5, "endTime": 1}),
    ),
    row("segments[0].audioInput.endTime", f"{LATER} (0 s)", (at("segments", 0, "audioInput", "endTime"), 0)),
    row(
        "segments[1].audioInput.endTime",
        f"{LATER} (1.5 s)",
        (at("segments", 1, "audioInput"), {"refId": "audio-2", "startTime": 1.5, "endTime": 1.5}),
    ),
    row(
        "segments[0].audioInput.startTime",
        "must be 0 or more",
        (at("segments", 0, "audioInput"), {"refId": "audio-1", "startTime": -1, "endTime": 1}),
    ),
    row("effects[0].end", f"{LATER} (4.1 s)", (at("effects", 0, "end"), 4.1)),
    row("effects[0].end", LATER, (at("effects", 0, "end"), 1)),
    row("effects[0].start", "must be 0 or more", (at("effects", 0, "start"), -1)),
    row("effects[0].start", NUMBER, (at("effects", 0, "start"), "4.1")),
    row("effects[0].end", "is required", (at("effects", 0, "end"), GONE)),
]

NAMES = [
    row("segments[0].audioInput", "is required", (at("segments", 0, "audioInput"), GONE)),
    row("segments[0].audioInput", OBJECT, (at("segments", 0, "audioInput"), "audio-1")),
    row("segments[0].audioInput.refId", "is required", (at("segments", 0, "audioInput"), {})),
    row("segments[0].audioInput.refId", "must be text", (at("segments", 0, "audioInput", "refId"), 1)),
    row(
        "segments[2].audioInput.refId",
        "the audio files are audio-1, audio-2",
        (at("segments", 2), {"startTime": 5, "endTime": 6, "audioInput": {"refId": "audio-3"}}),
    ),
    row(
        "audio[2].refId", "not used by any segment", (at("audio", 2), {"refId": "spare", "source": "s3://media/s.wav"})
    ),
    row(
        "audio[2].refId",
        "used by audio[0] already",
        (at("audio", 2), {"refId": "audio-1", "source": "s3://media/3.wav"}),
    ),
    row("audio[0].refId", "is required", (at("audio", 0, "refId"), GONE)),
    row(
        "audio[2].refId", NAME, (at("audio", 2), {"refId": "a b", "source": "s3://media/s.wav"}), (at("segments"), "[")
    ),
    row("user_id", "is required: Whose job this is", (at("user_id"), GONE)),
    row("user_id", OWNER, (at("user_id"), "")),
    row("user_id", OWNER, (at("user_id"), "../../etc")),
    row("user_id", OWNER, (at("user_id"), ".hidden")),
    row("user_id", OWNER, (at("user_id"), "user-1\n")),
    row("user_id", OWNER, (at("user_id"), "u" * 65)),
    row("user_id", "must be text", (at("user_id"), 12)),
    row("display_name", "at most 200 characters", (at("display_name"), "x" * 201)),
    row("display_name", "control characters", (at("display_name"), "two\nlines")),
    row("display_name", "control characters", (at("display_name"), "nul\x00")),
    row("display_name", "not valid Unicode", (at("display_name"), "\ud800")),
    row("display_name", "must be text", (at("display_name"), ["a"])),
    row("segments[0].label", "at most 200 characters", (at("segments", 0, "label"), "x" * 201)),
]

UNKNOWN = [
    row("segments_data", NO_FIELD, (at("segments_data"), "[]")),
    row("segments[0].speed", NO_FIELD, (at("segments", 0, "speed"), 2)),
    row("segments[0].audioInput.url", NO_FIELD, (at("segments", 0, "audioInput", "url"), "x")),
    row("audio[1].name", NO_FIELD, (at("audio", 1, "name"), "two")),
    row("effects[0].color", "The fields here are kind, x, y, w, h", (at("effects", 0, "color"), "red")),
    row("effects[0].type", "is an old name of kind", (at("effects", 0, "type"), "text")),
    row("effects[0].endTime", "is an old name of end", (at("effects", 0, "endTime"), 9)),
    row("options.temperature", NO_FIELD, (at("options", "temperature"), 0.5)),
    row("'bad name'", NO_FIELD, (at("bad name"), 1)),
    row("segments[0][7]", "field names are text", (at("segments", 0), {**SEGMENT, 7: 1})),
]

PLACES = [
    row("video", "is required", (at("video"), GONE)),
    row("video", "must not be empty", (at("video"), " ")),
    row("video", "must be text", (at("video"), 5)),
    row("video", "at most 4096 characters", (at("video"), "https://example.com/" + "v" * 4096)),
    row("video", "must not be a file path here", (at("video"), "/media/talk.mp4")),
    row("video", "must not be a file path here", (at("video"), "C:\\talk.mp4")),
    row("video", "must not be a file path here", (at("video"), "file:///media/talk.mp4")),
    row("video", "must not be plain http", (at("video"), "http://example.com/talk.mp4")),
    row("video", "ftp: is not supported", (at("video"), "ftp://example.com/talk.mp4")),
    row("video", "data: is not supported", (at("video"), "data:video/mp4;base64,AAAA")),
    row("video", "user name or password", (at("video"), "https://me:secret@example.com/talk.mp4")),
    row("video", "user name or password", (at("video"), "https://token@example.com/talk.mp4")),
    row("video", "must be a complete URL", (at("video"), "https:///talk.mp4")),
    row("video", "must be a complete URL", (at("video"), "https://example.com:port/talk.mp4")),
    row("video", "must be a complete URL", (at("video"), "https://[::1/talk.mp4")),
    row("video", "must be a complete URL", (at("video"), "https://example.com/my talk.mp4")),
    row("video", "must be s3://bucket/key", (at("video"), "s3://media")),
    row("video", "must be s3://bucket/key", (at("video"), "s3://media/folder/")),
    row("video", "must be s3://bucket/key", (at("video"), "s3://UPPER/talk.mp4")),
    row("video", "control characters", (at("video"), "s3://media/talk\x00.mp4")),
    row("audio[0].source", "must be s3://bucket/key", (at("audio", 0, "source"), "s3:///one.wav")),
    row("audio[1].source", "must not be plain http", (at("audio", 1, "source"), "http://example.com/two.wav")),
    row("audio[1].source", "is required", (at("audio", 1, "source"), GONE)),
]

AREAS = [
    row("effects[0].kind", "one of 'erasure', 'protection' or 'text'", (at("effects", 0, "kind"), "blur")),
    row("effects[0].kind", "is required", (at("effects", 0, "kind"), GONE)),
    row("effects[0].x", "must be 0 or more", (at("effects", 0, "x"), -0.01)),
    row("effects[0].y", "not pixels or percent", (at("effects", 0, "y"), 300)),
    row("effects[0].w", "must be 0.001 or more", (at("effects", 0, "w"), 0)),
    row("effects[0].h", "must be 0.001 or more", (at("effects", 0, "h"), -0.4)),
    row("effects[0].w", FINITE, (at("effects", 0, "w"), NAN)),
    row("effects[0].h", NUMBER, (at("effects", 0, "h"), True)),
    row("effects[0].w", "sticks out on the right: x + w is 1.1", (at("effects", 0, "x"), 0.7)),
    row("effects[0].h", "sticks out at the bottom", (at("effects", 0, "h"), 0.70001)),
    row("effects", "nothing to remove", (at("effects"), [KEEP])),
    row("effects", "nothing to remove", (at("effects"), [KEEP, KEEP])),
    row("effects[1].kind", "must be one of", (at("effects"), [KEEP, {**AREA, "kind": "blur"}])),
]


def with_model(model: str, *areas: object, language: str = "all") -> tuple[Change, Change]:
    options = {"inpaint_model": model, "inpaint_language": language}
    return (at("options"), options), (at("effects"), list(areas))


OPTIONS = [
    row("options", OBJECT, (at("options"), None)),
    row("options", OBJECT, (at("options"), "[1]")),
    row("options", "is not valid JSON", (at("options"), "{model: sync-3}")),
    row("options", "more than twice", (at("options"), json.dumps(json.dumps(json.dumps({}))))),
    row("options.sync_mode", "one of 'remap'", (at("options"), '{"sync_mode": "stretch"}')),
    row("options.model", "one of 'lipsync-2'", (at("options", "model"), "wav2lip")),
    row("options.sync_mode", "one of 'remap'", (at("options", "sync_mode"), "stretch")),
    row("options.inpaint_model", "'advanced_large_box'", (at("options", "inpaint_model"), "pro")),
    row("options.inpaint_language", "one of 'all'", (at("options", "inpaint_language"), "de")),
    row("options.inpaint_language", "must be all", *with_model("advanced_lite", TEXT, language="en")),
    row("effects[1].kind", "must be text with the model advanced_lite", *with_model("advanced_lite", TEXT, KEEP)),
    row(
        "effects[0].kind", "must be text with the model advanced", *with_model("advanced", {**TEXT, "kind": "erasure"})
    ),
    row("effects", "at most 10 areas", *with_model("advanced_lite", *[TEXT] * 11)),
    row("effects", "at most 1 area", *with_model("advanced", TEXT, TEXT)),
    row("effects", "at most 1 area", *with_model("advanced_large_box", TEXT, TEXT)),
    row("effects[0]", "less than 20%", *with_model("advanced", {**TEXT, "w": 0.5, "h": 0.4})),
    row("effects[0]", "less than 40%", *with_model("advanced_large_box", {**TEXT, "x": 0, "w": 1, "h": 0.4})),
]

TABLE = LISTS + TIMES + NAMES + UNKNOWN + PLACES + AREAS + OPTIONS


@pytest.mark.parametrize("wrong", TABLE, ids=lambda wrong: f"{wrong.path}: {wrong.says}")
def test_a_mistake_is_one_problem_that_names_its_field_and_says_what_to_do(wrong: Row) -> None:
    problems = refused(changed(wrong.changes))
    broken_lists = {change[0][0] for change in wrong.changes if change[1] == "["}
    assert {problem.path for problem in problems} == {wrong.path} | broken_lists
    assert [problem for problem in problems if problem.path == wrong.path and wrong.says in problem.message]


def refused(request: Any, **settings: Any) -> Any:
    with pytest.raises(InvalidRequest) as refusal:
        parse_request(request, **settings)
    return refusal.value.problems


def test_the_unchanged_request_is_good() -> None:
    parse_request(GOOD)


def test_the_table_has_more_than_a_hundred_distinct_rows() -> None:
    assert len({repr(wrong) for wrong in TABLE}) == len(TABLE) > 100


def test_what_is_no_object_is_no_request() -> None:
    (problem,) = refused([GOOD])
    assert (problem.path, problem.message) == ("request", "must be an object, not a list")


def test_all_problems_come_at_once_also_those_between_fields_of_sound_entries() -> None:
    request = changed(
        [
            (at("segments", 2), {"startTime": 1, "endTime": 1.5, "audioInput": {"refId": "audio-9"}}),
            (at("segments", 1, "endTime"), "3.2"),
            (at("audio", 0, "source"), "ftp://example.com/one.wav"),
            (at("effects", 0, "x"), 0.9),
            (at("user_id"), "a/b"),
            (at("extra"), 1),
        ]
    )
    assert {problem.path for problem in refused(request)} == {
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
    segments = [{**SEGMENT, "startTime": start, "endTime": end} for start, end in times]
    problems = refused(changed([(at("segments"), segments), (at("audio"), GOOD["audio"][:1])]))
    assert [problem.path for problem in problems] == ["segments[1].startTime", "segments[2].startTime"]


def test_a_list_over_its_limit_is_refused_as_one_problem() -> None:
    limits = Limits(max_segments=1, max_areas=1)
    request = changed([(at("effects"), [AREA, AREA])])
    problems = {problem.path: problem.message for problem in refused(request, limits=limits)}
    assert problems.keys() == {"audio", "segments", "effects"}
    assert problems["effects"] == "has 2 entries; at most 1 are allowed"


def test_the_shortest_segment_is_a_setting() -> None:
    (problem,) = refused(GOOD, limits=Limits(min_segment_seconds=1.5))
    assert (problem.path, problem.message[:31]) == ("segments[1].endTime", "makes the segment 1.2 s long; t")


def test_a_refused_place_does_not_show_its_signature() -> None:
    problems = refused(changed([(at("video"), "http://example.com/v.mp4?X-Amz-Signature=0123abcd")]))
    assert "0123abcd" not in str(problems)


def test_even_a_local_stack_takes_only_absolute_file_urls() -> None:
    request = changed([(at("video"), "file://elsewhere/talk.mp4")])
    (problem,) = refused(request, access=Access(allow_local_files=True))
    assert problem.message == "must be a path, or file:/// followed by an absolute path"


def test_an_endless_field_name_is_cut_short() -> None:
    (problem,) = refused({**GOOD, "n" * 5000: 1})
    assert problem.path == "'" + "n" * 64 + "'"
