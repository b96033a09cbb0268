"""What a client may ask for, and the door it comes through.

The models give the shape; Prefect draws its parameter form from their titles and descriptions. `parse_request` is the
door: it takes what clients send (old JSON forms too), applies every rule that needs no media, and reports all
problems at once, each with the path of its field. Rules that need facts of the media are in `videojobs.rules`.
"""
# ruff: noqa: N815 - the public names are Sync.so's (camelCase); one spelling everywhere needs no translation

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from videojobs.errors import InvalidRequest, Problem
from videojobs.settings import Access, Limits
from videojobs.vendors.ghostcut.masks import ERASE_MODELS

Model = Literal["lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta", "sync-3"]
SyncMode = Literal["remap", "bounce", "loop", "cut_off", "silence"]
InpaintModel = Literal["basic", "advanced_lite", "advanced", "advanced_large_box"]
InpaintLanguage = Literal["all", "zh", "en", "ja", "ko", "ar"]
AreaKind = Literal["erasure", "protection", "text"]

REF_ID: Final = r"^[A-Za-z0-9_-]{1,64}$"
OWNER_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # becomes a part of object keys, so it must be safe in a path
EDGE_TOLERANCE: Final = 1e-6  # a rectangle may stick out this far: 0.7 + 0.3 is a little more than 1 in floats
JSON_LEVELS: Final = 2  # old clients encode twice (M2)


def _to_microseconds(seconds: float) -> float:
    """Far below a frame, and far above float noise: segments that touch must not overlap by 1e-17 s."""
    return round(seconds, 6) + 0.0  # + 0.0 turns -0.0 into 0.0


def _on_one_line(text: str) -> str:
    """Postgres takes no NUL, and a name with line breaks would forge log lines."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise PydanticCustomError("control", "must not contain line breaks or other control characters")
    return text


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # strict: neither true nor "1.5" is a number
Seconds = Annotated[Number, Field(ge=0), AfterValidator(_to_microseconds)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Side = Annotated[Number, Field(ge=0.001, le=1)]  # smaller is less than a pixel, and would be rounded away
_SOURCE = StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)  # room for a signed link
_LABEL = StringConstraints(strip_whitespace=True, max_length=200)
Source = Annotated[str, _SOURCE, AfterValidator(_on_one_line)]
Label = Annotated[str, _LABEL, AfterValidator(_on_one_line)]
RefId = Annotated[str, Field(pattern=REF_ID)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _at(position: int) -> dict[str, Any]:
    """Where Prefect's form shows the field."""
    return {"position": position}


class AudioFile(_Part):
    """One audio file, and the name by which segments refer to it."""

    refId: RefId = Field(
        title="Name",
        description="How segments refer to this file, for example audio-1. Letters, digits, - and _.",
        json_schema_extra=_at(0),
    )
    source: Source = Field(
        title="File",
        description="Where the audio is: s3://bucket/key or https://..., or a file path on a local stack.",
        json_schema_extra=_at(1),
    )


class AudioInput(_Part):
    """Which audio a segment speaks, and which part of it."""

    refId: RefId = Field(
        title="Audio name",
        description="The name of one of the audio files, for example audio-1.",
        json_schema_extra=_at(0),
    )
    startTime: Seconds | None = Field(
        default=None,
        title="Use the audio from (s)",
        description="To use only a part of the audio: the second in the audio file at which the part starts.",
        json_schema_extra=_at(1),
    )
    endTime: Seconds | None = Field(
        default=None,
        title="Use the audio until (s)",
        description="The second in the audio file at which the part ends. Give both ends of the part, or neither.",
        json_schema_extra=_at(2),
    )


class Segment(_Part):
    """A time range of the video that gets its own audio."""

    startTime: Seconds = Field(
        title="Start in the video (s)",
        description="The second of the video at which this audio begins to speak.",
        json_schema_extra=_at(0),
    )
    endTime: Seconds = Field(
        title="End in the video (s)",
        description="The second of the video at which the segment ends. Segments may touch, not overlap.",
        json_schema_extra=_at(1),
    )
    audioInput: AudioInput = Field(
        title="Audio", description="What is spoken in this segment.", json_schema_extra=_at(2)
    )
    label: Label | None = Field(
        default=None,
        title="Label",
        description="Your own name for the segment. It stays here and is never sent to a vendor.",
        json_schema_extra=_at(3),
    )


class AnnotationArea(_Part):
    """A rectangle of the picture in a time range of the *source* video.

    Fractions of the picture, origin at the top left. Old clients say `type`, `startTime` and `endTime`.
    """

    model_config = ConfigDict(validate_by_name=True)

    kind: AreaKind = Field(
        validation_alias=AliasChoices("kind", "type"),
        title="What to do here",
        description="erasure: wipe the whole rectangle. text: remove only the text found in it. "
        "protection: leave everything in it as it is.",
        json_schema_extra=_at(0),
    )
    x: Fraction = Field(
        title="Left edge",
        description="Distance from the left, as a fraction of the picture's width: 0 is the left edge, 0.5 the middle.",
        json_schema_extra=_at(1),
    )
    y: Fraction = Field(
        title="Top edge",
        description="Distance from the top, as a fraction of the picture's height: 0 is the top, 0.5 the middle.",
        json_schema_extra=_at(2),
    )
    w: Side = Field(
        title="Width",
        description="Width as a fraction of the picture's width. Left edge plus width is at most 1.",
        json_schema_extra=_at(3),
    )
    h: Side = Field(
        title="Height",
        description="Height as a fraction of the picture's height. Top edge plus height is at most 1.",
        json_schema_extra=_at(4),
    )
    start: Seconds = Field(
        validation_alias=AliasChoices("start", "startTime"),
        title="From (s)",
        description="The second of the video you hand in at which the area begins to count.",
        json_schema_extra=_at(5),
    )
    end: Seconds = Field(
        validation_alias=AliasChoices("end", "endTime"),
        title="Until (s)",
        description="The second of the video you hand in at which the area ceases to count.",
        json_schema_extra=_at(6),
    )
    label: Label | None = Field(
        default=None,
        title="Label",
        description="Your own name for the area. It stays here and is never sent to a vendor.",
        json_schema_extra=_at(7),
    )


class Options(_Part):
    """How the vendors work. The defaults are right for most videos."""

    model: Model = Field(
        default="lipsync-2",
        title="Lip-sync model",
        description="Sync.so's model. lipsync-2-pro is finer and dearer; sync-3 is new, test it before you rely on it.",
        json_schema_extra=_at(0),
    )
    sync_mode: SyncMode = Field(
        default="remap",
        title="When audio and segment differ in length",
        description="remap: slow the picture down or speed it up to fit the audio. cut_off: cut to the shorter one. "
        "silence: keep the longer one. loop: repeat the picture. bounce: play it forward and backward.",
        json_schema_extra=_at(1),
    )
    inpaint_model: InpaintModel = Field(
        default="basic",
        title="Text removal model",
        description="GhostCut's model. basic does everything. The advanced ones take only areas of kind text: "
        "advanced_lite up to 10, advanced one below 20 % of the picture, advanced_large_box one below 40 %.",
        json_schema_extra=_at(2),
    )
    inpaint_language: InpaintLanguage = Field(
        default="all",
        title="Language of the text to remove",
        description="all, or one language. The advanced models know only all.",
        json_schema_extra=_at(3),
    )


class JobRequest(_Part):
    """One job. Get it from `parse_request`: built directly it has the right shape, but its rules are unchecked."""

    video: Source = Field(
        title="Video",
        description="Where the video is: s3://bucket/key or https://..., or a file path on a local stack.",
        json_schema_extra=_at(0),
    )
    audio: list[AudioFile] = Field(
        min_length=1,
        title="Audio files",
        description="Every audio file that a segment uses, each once.",
        json_schema_extra=_at(1),
    )
    segments: list[Segment] = Field(
        min_length=1,
        title="Segments",
        description="The time ranges of the video that get a new audio. The rest of the video stays as it is.",
        json_schema_extra=_at(2),
    )
    effects: list[AnnotationArea] = Field(
        default=[],
        title="Annotation areas",
        description="Where text has to go, or has to be protected, and when. Leave it empty for lip-sync only.",
        json_schema_extra=_at(3),
    )
    display_name: Label | None = Field(
        default=None,
        title="Display name",
        description="The job's name in lists. Any text of up to 200 characters.",
        json_schema_extra=_at(4),
    )
    user_id: Annotated[str, Field(pattern=OWNER_ID)] = Field(
        title="User",
        description="Whose job this is; results are stored under this name. "
        "1 to 64 letters, digits, - _ and ., starting with a letter or a digit.",
        json_schema_extra=_at(5),
    )
    options: Options = Field(
        default=Options(),
        title="Options",
        description="How the vendors work. The defaults are right for most videos.",
        json_schema_extra=_at(6),
    )

    @field_validator("display_name", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        """An HTML form sends a field that nobody filled as an empty string."""
        return None if isinstance(value, str) and not value.strip() else value


# ---- the door ------------------------------------------------------------------------------------------------


def parse_request(
    raw: Mapping[str, object], *, limits: Limits | None = None, access: Access | None = None
) -> JobRequest:
    """The request in `raw`, its segments sorted by start.

    `audio`, `segments` and `effects` may be lists, JSON text, or JSON text encoded twice; `effects` may be missing,
    null or empty. Limits and access come from the environment unless given. Raises InvalidRequest with every problem.
    """
    if not isinstance(raw, Mapping):
        raise InvalidRequest([Problem("request", f"must be an object, not {_word(raw)}")])
    fields, problems = _read_lists(raw, limits or Limits())
    unreadable = {problem.path for problem in problems}
    request, complaints = _shape(fields)
    problems += [item for item in complaints if item.path not in unreadable]
    problems += _Parts.of(fields, unreadable).problems(limits or Limits(), access or Access())
    if request is None or problems:
        raise InvalidRequest(problems)
    return request.model_copy(update={"segments": sorted(request.segments, key=lambda item: item.startTime)})


def check_job_id(value: object) -> str:
    """`value`, if it can name a job: it becomes a part of object keys and of vendor titles. Raises InvalidRequest."""
    if isinstance(value, str) and re.fullmatch(OWNER_ID, value):
        return value
    raise InvalidRequest([Problem("job_id", _PATTERN_HELP[OWNER_ID])])


def canonical(request: JobRequest) -> dict[str, Any]:
    """The request as plain JSON under its public names, without empty optional fields: what the ledger stores.

    `JobRequest.model_validate` and `parse_request` both give the same request back.
    """
    return request.model_dump(mode="json", exclude_none=True)


def fingerprint(request: JobRequest) -> str:
    """SHA-256 (hex) of the canonical request: tells "the same again" from "the same id with another request"."""
    text = json.dumps(canonical(request), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


# ---- lists, as objects or as JSON text -----------------------------------------------------------------------


def _read_lists(raw: Mapping[str, object], limits: Limits) -> tuple[dict[str, object], list[Problem]]:
    """The fields with real lists in them. A list that cannot be read is left empty and reported, nothing else."""
    # Every audio file belongs to a segment, so there cannot be more of them.
    most = {"audio": limits.max_segments, "segments": limits.max_segments, "effects": limits.max_areas}
    fields, problems = dict(raw), []
    for name, count in most.items():
        try:
            fields[name] = _read_list(name, raw.get(name), count)
        except ValueError as error:
            fields[name] = []
            problems.append(Problem(name, str(error)))
    return fields, problems


def _read_list(name: str, value: object, most: int) -> list[object]:
    """Raises ValueError with a sentence."""
    for _ in range(JSON_LEVELS):
        if isinstance(value, str) and value.strip():
            value = _decode(value)
    if isinstance(value, str) and value.strip():
        raise ValueError("is JSON text that was encoded more than twice; encode it once")
    if value is None or isinstance(value, str):
        value = []
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list, or the JSON text of a list, not {_word(value)}")
    if not value and name != "effects":
        raise ValueError("is required: give a list with at least one entry")
    if len(value) > most:
        raise ValueError(f"has {len(value)} entries; at most {most} are allowed")
    return list(value)


def _decode(text: str) -> object:
    """JSON without its traps. Raises ValueError with a sentence."""
    try:
        return json.loads(
            text, parse_int=float, parse_constant=_refuse_constant, object_pairs_hook=_unique_fields
        )  # every number of a request is a float, and int() refuses more than 4300 digits
    except json.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is nested too deeply; send a plain list of objects") from None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"contains {name}, which is not a JSON number; send finite numbers")


def _unique_fields(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Which of two values counts is anybody's guess, so neither does."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"contains an object that gives {twice[:64]!r} twice; give it once")
    return fields


def _word(value: object) -> str:
    """What a value is, in JSON's words."""
    words: dict[type, str] = {dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    words |= {int: "a number", float: "a number", list: "a list"}
    return words.get(type(value), f"a {type(value).__name__}")


# ---- the shape, in plain words -------------------------------------------------------------------------------

_NESTED: Final[dict[tuple[str, ...], type[_Part]]] = {
    (): JobRequest,
    ("audio",): AudioFile,
    ("segments",): Segment,
    ("segments", "audioInput"): AudioInput,
    ("effects",): AnnotationArea,
    ("options",): Options,
}

_PATTERN_HELP: Final = {
    REF_ID: "must be 1 to 64 letters, digits, - or _",
    OWNER_ID: "must be 1 to 64 letters, digits, -, _ or ., and start with a letter or a digit",
}

_SENTENCES: Final[dict[str, str]] = {
    "float_type": "must be a number without quotes, such as 1.5",
    "finite_number": "must be a finite number, such as 1.5",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less: a fraction of the picture, not pixels or percent",
    "literal_error": "must be one of {expected}",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_unicode": "contains characters that are not valid Unicode; send UTF-8 text",
    "invalid_key": "is not a field name: field names are text",
}


def _shape(fields: dict[str, object]) -> tuple[JobRequest | None, list[Problem]]:
    try:
        return JobRequest.model_validate(fields), []
    except ValidationError as error:
        return None, [_problem(item) for item in error.errors(include_url=False, include_input=False)]


def _problem(error: ErrorDetails) -> Problem:
    return Problem(_path(error["loc"]), _sentence(error))


def _path(loc: tuple[int | str, ...]) -> str:
    """`("segments", 0, "endTime")` as `segments[0].endTime`. Names come from the client: they are kept short."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{_on_show(step)}" for step in loc)
    return "".join(steps).removeprefix(".") or "request"


def _on_show(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,64}", name) else ascii(name[:64])


def _sentence(error: ErrorDetails) -> str:
    kind, loc = error["type"], error["loc"]
    names = tuple(step for step in loc if isinstance(step, str))
    if kind == "missing":
        return f"is required: {_NESTED[names[:-1]].model_fields[names[-1]].description}"
    if kind == "extra_forbidden":
        return _unknown_field(_NESTED[names[:-1]], names[-1])
    if kind == "model_type":
        return f"must be an object with the fields {_fields(_NESTED[names])}"
    context = error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _PATTERN_HELP[context["pattern"]]
    return _SENTENCES[kind].format(**context) if kind in _SENTENCES else error["msg"]


def _unknown_field(model: type[_Part], name: str) -> str:
    for new, field in model.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices) and name in field.validation_alias.choices:
            return f"is an old name of {new}, which is given too; give only one of them"
    return f"is not a known field; remove it. The fields here are {_fields(model)}"


def _fields(model: type[_Part]) -> str:
    return ", ".join(model.model_fields)


# ---- rules between fields ------------------------------------------------------------------------------------

P = TypeVar("P", bound=_Part)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of a request could be read, by its index in what the client sent.

    Rules are checked on these, so a typing error in one segment does not hide that two others overlap.
    """

    video: str | None
    audio: dict[int, AudioFile]
    segments: dict[int, Segment]
    areas: dict[int, AnnotationArea]
    options: Options | None
    named: dict[int, str]  # refIds of the audio files, also of those with another fault
    wanted: dict[int, str]  # refIds that the segments ask for, as above
    complete: frozenset[str]  # the lists in which every entry could be read so far

    @classmethod
    def of(cls, fields: Mapping[str, Any], unreadable: Iterable[str]) -> "_Parts":
        video = fields.get("video")
        parts = cls(
            video=video.strip() if isinstance(video, str) else None,
            audio=_readable(AudioFile, fields["audio"]),
            segments=_readable(Segment, fields["segments"]),
            areas=_readable(AnnotationArea, fields["effects"]),
            options=_read(Options, fields.get("options", {})),
            named=_ref_ids(fields["audio"]),
            wanted=_ref_ids(_get(item, "audioInput") for item in fields["segments"]),
            complete=frozenset(),
        )
        read: dict[str, Mapping[int, object]] = {"audio": parts.named, "segments": parts.wanted, "effects": parts.areas}
        whole = (name for name, found in read.items() if len(found) == len(fields[name]))
        return replace(parts, complete=frozenset(whole) - set(unreadable))

    def problems(self, limits: Limits, access: Access) -> Iterator[Problem]:
        yield from _sources(self, access)
        yield from _references(self)
        for index, segment in self.segments.items():
            yield from _segment(f"segments[{index}]", segment, limits)
        yield from _overlaps(self.segments)
        for index, area in self.areas.items():
            yield from _area(f"effects[{index}]", area)
        yield from _something_to_remove(self)
        yield from _inpaint_model(self)


def _read(model: type[P], value: object) -> P | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _readable(model: type[P], items: list[object]) -> dict[int, P]:
    parts = ((index, _read(model, item)) for index, item in enumerate(items))
    return {index: part for index, part in parts if part is not None}


def _get(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def _ref_ids(holders: Iterable[object]) -> dict[int, str]:
    """Read before everything else is valid: a bad time in a segment does not make its audio unused."""
    found = {index: _get(holder, "refId") for index, holder in enumerate(holders)}
    return {index: ref_id for index, ref_id in found.items() if isinstance(ref_id, str)}


def _sources(parts: _Parts, access: Access) -> Iterator[Problem]:
    sources = {"video": parts.video} if parts.video else {}
    sources |= {f"audio[{index}].source": item.source for index, item in parts.audio.items()}
    for path, source in sources.items():
        if complaint := _source_complaint(source, access):
            yield Problem(path, complaint)  # without the source: its query may carry a signature


def _source_complaint(source: str, access: Access) -> str | None:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]{1,31}):", source)  # two letters or more: C:\ is a drive
    scheme = match[1].lower() if match else "file"
    if scheme == "s3":
        good = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*[^/]", source)
        return None if good else "must be s3://bucket/key, with a key that names one object"
    if scheme == "https" or (scheme == "http" and access.allow_plain_http):
        return _url_complaint(source)
    if scheme == "http":
        return "must not be plain http: use https:// or s3:// (local stacks: VIDEOJOBS_ALLOW_PLAIN_HTTP)"
    if scheme == "file" and not access.allow_local_files:
        return "must not be a file path here: use s3:// or https:// (local stacks: VIDEOJOBS_ALLOW_LOCAL_FILES)"
    if scheme == "file":
        absolute = not match or source.startswith("file:///")
        return None if absolute else "must be a path, or file:/// followed by an absolute path"
    return f"must start with s3:// or https://; {scheme}: is not supported"


def _url_complaint(source: str) -> str | None:
    try:
        url = urlsplit(source)
        host, _ = url.hostname, url.port  # .port raises ValueError for what is no port
    except ValueError:
        host, url = None, urlsplit("")
    if url.username is not None or url.password is not None:
        return "must not contain a user name or password: use a signed link, or s3://"
    if not host or re.search(r"\s", source):
        return "must be a complete URL, such as https://example.com/video.mp4"
    return None


def _references(parts: _Parts) -> Iterator[Problem]:
    """What cannot be read may be the missing name or the missing user, so nothing is said about those then."""
    first: dict[str, int] = {}
    for index, ref_id in parts.named.items():
        if first.setdefault(ref_id, index) != index:
            message = f"is used by audio[{first[ref_id]}] already; give another name"
            yield Problem(f"audio[{index}].refId", message)
        elif "segments" in parts.complete and ref_id not in parts.wanted.values():
            yield Problem(f"audio[{index}].refId", "is not used by any segment; use it, or remove the file")
    if "audio" in parts.complete:
        known = ", ".join(map(_on_show, sorted(first)))
        for index, ref_id in parts.wanted.items():
            if ref_id not in first:
                message = f"names no audio file; the audio files are {known}"
                yield Problem(f"segments[{index}].audioInput.refId", message)


def _segment(path: str, segment: Segment, limits: Limits) -> Iterator[Problem]:
    start, end, least = segment.startTime, segment.endTime, limits.min_segment_seconds
    if start >= end:
        yield _must_end_after(f"{path}.endTime", start)
    elif _to_microseconds(end - start) < least:
        length = as_seconds(end - start)
        yield Problem(
            f"{path}.endTime",
            f"makes the segment {length} long; the shortest that makes sense is {as_seconds(least)}",
        )
    crop = segment.audioInput
    if crop.startTime is None and crop.endTime is None:
        return
    if crop.startTime is None or crop.endTime is None:
        name = "startTime" if crop.startTime is None else "endTime"
        yield Problem(f"{path}.audioInput.{name}", "is required too: give both ends of the part, or neither")
    elif crop.startTime >= crop.endTime:
        yield _must_end_after(f"{path}.audioInput.endTime", crop.startTime)


def _must_end_after(path: str, start: float) -> Problem:
    return Problem(path, f"must be later than the start ({as_seconds(start)})")


def _overlaps(segments: Mapping[int, Segment]) -> Iterator[Problem]:
    """Each segment that starts before an earlier one has ended; touching is fine."""
    ordered = sorted(
        ((index, item) for index, item in segments.items() if item.startTime < item.endTime),
        key=lambda entry: entry[1].startTime,
    )
    latest: tuple[int, Segment] | None = None
    for index, segment in ordered:
        if latest and segment.startTime < latest[1].endTime:
            other = latest[1]
            span = f"{as_seconds(other.startTime)} to {as_seconds(other.endTime)}"
            message = f"overlaps segments[{latest[0]}] ({span}); segments may touch, not overlap"
            yield Problem(f"segments[{index}].startTime", message)
        if latest is None or segment.endTime > latest[1].endTime:
            latest = (index, segment)


def _area(path: str, area: AnnotationArea) -> Iterator[Problem]:
    if area.start >= area.end:
        yield _must_end_after(f"{path}.end", area.start)
    if area.x + area.w > 1 + EDGE_TOLERANCE:
        yield Problem(f"{path}.w", f"sticks out on the right: x + w is {area.x + area.w:g}, at most 1 fits")
    if area.y + area.h > 1 + EDGE_TOLERANCE:
        yield Problem(f"{path}.h", f"sticks out at the bottom: y + h is {area.y + area.h:g}, at most 1 fits")


def _something_to_remove(parts: _Parts) -> Iterator[Problem]:
    if parts.areas and "effects" in parts.complete and all(area.kind == "protection" for area in parts.areas.values()):
        yield Problem(
            "effects",
            "has only areas of kind protection, so there is nothing to remove and nothing to protect it from; "
            "add an area of kind erasure or text, or leave effects empty",
        )


def _inpaint_model(parts: _Parts) -> Iterator[Problem]:
    """Without areas there is no text removal, and its model does not matter."""
    if parts.options is None or not parts.areas:
        return
    model = parts.options.inpaint_model
    rules = ERASE_MODELS[model]
    if rules.any_language_only and parts.options.inpaint_language != "all":
        yield Problem("options.inpaint_language", f"must be all with the model {model}")
    if rules.most_boxes is not None and len(parts.areas) > rules.most_boxes:
        count = "1 area" if rules.most_boxes == 1 else f"{rules.most_boxes} areas"
        yield Problem("effects", f"has {len(parts.areas)} areas; the model {model} takes at most {count}")
    for index, area in parts.areas.items():
        if area.kind not in rules.kinds:
            message = f"must be text with the model {model}; choose basic for erasure and protection"
            yield Problem(f"effects[{index}].kind", message)
        if rules.area_below is not None and (share := _share(area)) >= rules.area_below:
            message = f"covers {share:.1%} of the picture; the model {model} takes less than {rules.area_below:.0%}"
            yield Problem(f"effects[{index}]", message)


def _share(area: AnnotationArea) -> float:
    """Of the picture, with edges of four decimals, as they are sent; without float noise: 0.5 x 0.4 is 0.2."""
    edges = (area.x + area.w, area.x, area.y + area.h, area.y)
    right, left, bottom, top = (round(min(edge, 1.0), 4) for edge in edges)
    return round((right - left) * (bottom - top), 8)


def as_seconds(value: float) -> str:
    """`1.8 s`: seconds as people write them."""
    return f"{value:.6f}".rstrip("0").rstrip(".") + " s"
