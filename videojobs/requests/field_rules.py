"""Rules between the fields of a request: references, overlaps, places, and the rules of vendors.

They need no media, and no complete request: each rule is checked on the fields that could be parsed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, get_args
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from videojobs.errors import FieldError, ProblemCode
from videojobs.media.url_policy import UrlPolicy
from videojobs.providers.registry import active_providers
from videojobs.requests.models import (
    AnnotationArea,
    AudioFile,
    Options,
    Segment,
    SpeakerBox,
    TextRemoval,
    is_whole_frame,
    to_microseconds,
)
from videojobs.settings import AccessSettings, LimitSettings
from videojobs.text import format_seconds, safe_display

EDGE_TOLERANCE: Final = 1e-6  # a rectangle may exceed the picture by this: 0.7 + 0.3 is a little more than 1 in floats

_MAX_LISTED_IDS: Final = 20  # audio files in a message; every segment may get one

P = TypeVar("P", bound=BaseModel)


def validate_fields(
    fields: Mapping[str, Any], unreadable: Iterable[str], limits: LimitSettings, access: AccessSettings
) -> Iterator[FieldError]:
    """Every broken rule. `fields` is the raw request, its `audio`, `segments` and `effects` decoded to lists.

    `unreadable` names the lists that could not be decoded: they are empty in `fields`, which is no error then.
    """
    parsed = ParsedFields.parse(fields, unreadable)
    yield from _source_errors(parsed, access)
    yield from _missing_part_errors(parsed)
    yield from _reference_errors(parsed)
    for index, segment in parsed.segments.items():
        yield from _segment_errors(f"segments[{index}]", segment, limits)
    yield from _overlap_errors(parsed.segments)
    for index, area in parsed.areas.items():
        yield from _area_errors(f"effects[{index}]", area)
    yield from _text_removal_errors(parsed)
    yield from _vendor_errors(parsed)


@dataclass(frozen=True, slots=True)
class ParsedFields:
    """The parsable parts of a request, by their index in the client's lists.

    Rules are checked on these, so that an invalid segment does not hide that two others overlap.
    """

    video: str | None
    audio: dict[int, AudioFile]
    segments: dict[int, Segment]
    areas: dict[int, AnnotationArea]
    text_removal: TextRemoval | None
    options: Options | None
    declared_ids: dict[int, str]  # refIds of the audio files, also of otherwise invalid ones
    referenced_ids: dict[int, str]  # refIds that segments use, as above
    complete_lists: frozenset[str]  # the lists whose entries could all be parsed

    @classmethod
    def parse(cls, fields: Mapping[str, Any], unreadable: Iterable[str]) -> "ParsedFields":
        video = fields.get("video")
        parsed = cls(
            video=video.strip() if isinstance(video, str) else None,
            audio=_parse_items(AudioFile, fields["audio"]),
            segments=_parse_items(Segment, fields["segments"]),
            areas=_parse_items(AnnotationArea, fields["effects"]),
            text_removal=_parse_text_removal(fields.get("text_removal")),
            options=_parse_or_none(Options, fields.get("options", {})),
            declared_ids=_collect_ref_ids(fields["audio"]),
            referenced_ids=_collect_ref_ids(_get_field(item, "audioInput") for item in fields["segments"]),
            complete_lists=frozenset(),
        )
        read: dict[str, Mapping[int, object]] = {
            "audio": parsed.declared_ids,
            "segments": parsed.referenced_ids,
            "effects": parsed.areas,
        }
        whole = (name for name, found in read.items() if len(found) == len(fields[name]))
        return replace(parsed, complete_lists=frozenset(whole) - set(unreadable))


def _parse_text_removal(value: object) -> TextRemoval | None:
    return value if value in get_args(TextRemoval) else None  # type: ignore[return-value]  # one of these texts


def _parse_or_none(model: type[P], value: object) -> P | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _parse_items(model: type[P], items: list[object]) -> dict[int, P]:
    parts = ((index, _parse_or_none(model, item)) for index, item in enumerate(items))
    return {index: part for index, part in parts if part is not None}


def _get_field(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def _collect_ref_ids(holders: Iterable[object]) -> dict[int, str]:
    """Also from invalid entries: a bad time in a segment does not make its audio unused."""
    found = {index: _get_field(holder, "refId") for index, holder in enumerate(holders)}
    return {index: ref_id for index, ref_id in found.items() if isinstance(ref_id, str)}


# ---- sources -------------------------------------------------------------------------------------------------


def _source_errors(parsed: ParsedFields, access: AccessSettings) -> Iterator[FieldError]:
    sources = {"video": parsed.video} if parsed.video else {}
    sources |= {f"audio[{index}].source": item.source for index, item in parsed.audio.items()}
    for path, source in sources.items():
        if error := source_error(source, access):
            yield FieldError(
                path, error, ProblemCode.INVALID_SOURCE
            )  # without the source: its query may carry a signature


def source_error(source: str, access: AccessSettings) -> str | None:
    """What is wrong with the location of a file; None if nothing is."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]{1,31}):", source)  # two letters or more: C:\ is a drive
    scheme = match[1].lower() if match else "file"
    if scheme == "s3":
        good = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*[^/]", source)
        return None if good else "must be s3://bucket/key, with a key that names one object"
    if scheme == "https" or (scheme == "http" and access.allow_plain_http):
        return _url_error(source) or _host_error(source, access)
    if scheme == "http":
        return "must not be plain http: use https:// or s3:// (local stacks: VIDEOJOBS_ALLOW_PLAIN_HTTP)"
    if scheme == "file" and not access.allow_local_files:
        return "must not be a file path here: use s3:// or https:// (local stacks: VIDEOJOBS_ALLOW_LOCAL_FILES)"
    if scheme == "file":
        absolute = not match or source.startswith("file:///")
        return None if absolute else "must be a path, or file:/// followed by an absolute path"
    return f"must start with s3:// or https://; {scheme}: is not supported"


def _url_error(source: str) -> str | None:
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


def _host_error(source: str, access: AccessSettings) -> str | None:
    """Checks the host name only; its addresses are checked when the file is fetched."""
    try:
        host = httpx.URL(source).raw_host.decode("ascii")
    except httpx.InvalidURL:
        return "must be a complete URL, such as https://example.com/video.mp4"
    return UrlPolicy.for_inputs(access).host_error(host)


# ---- what a job needs ----------------------------------------------------------------------------------------


def _missing_part_errors(parsed: ParsedFields) -> Iterator[FieldError]:
    """Lip-sync needs audio, and segments unless it is one audio for the whole video; a job needs something to do."""
    if not {"audio", "segments"} <= parsed.complete_lists:
        return
    if parsed.referenced_ids and not parsed.declared_ids:
        message = "is required with segments: give a list with at least one entry"
        yield FieldError("audio", message, ProblemCode.REQUIRED)
    elif len(parsed.declared_ids) > 1 and not parsed.referenced_ids:
        yield FieldError(
            "segments",
            "is required with more than one audio file: give a list with at least one entry. Without segments, one "
            "audio file covers the whole video",
            ProblemCode.REQUIRED,
        )
    elif (
        "effects" in parsed.complete_lists
        and not parsed.declared_ids
        and not parsed.areas
        and parsed.text_removal != "whole_frame"
    ):
        yield FieldError(
            "audio",
            "is required, since there is nothing else to do: give audio for lip-sync, areas in effects for text "
            "removal, or whole_frame in text_removal",
            ProblemCode.REQUIRED,
        )


# ---- references ----------------------------------------------------------------------------------------------


def _reference_errors(parsed: ParsedFields) -> Iterator[FieldError]:
    """An entry that could not be parsed may be the missing one, so no reference is reported as missing then."""
    first_index: dict[str, int] = {}
    referenced = set(parsed.referenced_ids.values())
    for index, ref_id in parsed.declared_ids.items():
        if first_index.setdefault(ref_id, index) != index:
            message = f"is already used by audio[{first_index[ref_id]}]; choose another name"
            yield FieldError(f"audio[{index}].refId", message, ProblemCode.DUPLICATE)
        elif referenced and "segments" in parsed.complete_lists and ref_id not in referenced:
            message = "is not used by any segment; use it, or remove the file"
            yield FieldError(f"audio[{index}].refId", message, ProblemCode.UNUSED_REF_ID)
    if first_index and "audio" in parsed.complete_lists:
        known = ", ".join(map(safe_display, sorted(first_index)[:_MAX_LISTED_IDS])) + (
            ", ..." if len(first_index) > _MAX_LISTED_IDS else ""
        )
        for index, ref_id in parsed.referenced_ids.items():
            if ref_id not in first_index:
                message = f"names no audio file; the audio files are {known}"
                yield FieldError(f"segments[{index}].audioInput.refId", message, ProblemCode.UNKNOWN_REF_ID)


# ---- times ---------------------------------------------------------------------------------------------------


def _segment_errors(path: str, segment: Segment, limits: LimitSettings) -> Iterator[FieldError]:
    start, end, min_length = segment.startTime, segment.endTime, limits.min_segment_seconds
    if start >= end:
        yield _end_before_start_error(f"{path}.endTime", start)
    elif to_microseconds(end - start) < min_length:
        length = format_seconds(end - start)
        yield FieldError(
            f"{path}.endTime",
            f"makes the segment {length} long; the minimum is {format_seconds(min_length)}",
            ProblemCode.TOO_SHORT,
        )
    crop = segment.audioInput
    if crop.startTime is not None and crop.endTime is not None and crop.startTime >= crop.endTime:
        yield _end_before_start_error(f"{path}.audioInput.endTime", crop.startTime)
    if segment.speakerBox is not None:
        yield from _speaker_box_errors(f"{path}.speakerBox", segment.speakerBox)


def _speaker_box_errors(path: str, box: SpeakerBox) -> Iterator[FieldError]:
    for low, high, low_name, high_name in ((box.x1, box.x2, "x1", "x2"), (box.y1, box.y2, "y1", "y2")):
        if high <= low:
            message = f"must be greater than {low_name} ({low:g}), so that the box is not empty"
            yield FieldError(f"{path}.{high_name}", message, ProblemCode.OUT_OF_RANGE)


def _end_before_start_error(path: str, start: float) -> FieldError:
    return FieldError(path, f"must be later than the start ({format_seconds(start)})", ProblemCode.END_BEFORE_START)


def _overlap_errors(segments: Mapping[int, Segment]) -> Iterator[FieldError]:
    """Each segment that starts before an earlier one has ended; touching is fine."""
    ordered = sorted(
        ((index, item) for index, item in segments.items() if item.startTime < item.endTime),
        key=lambda entry: entry[1].startTime,
    )
    latest: tuple[int, Segment] | None = None
    for index, segment in ordered:
        if latest and segment.startTime < latest[1].endTime:
            other = latest[1]
            span = f"{format_seconds(other.startTime)} to {format_seconds(other.endTime)}"
            message = f"overlaps segments[{latest[0]}] ({span}); segments may touch, not overlap"
            yield FieldError(f"segments[{index}].startTime", message, ProblemCode.OVERLAP)
        if latest is None or segment.endTime > latest[1].endTime:
            latest = (index, segment)


# ---- areas, and what the vendors take -------------------------------------------------------------------------


def _area_errors(path: str, area: AnnotationArea) -> Iterator[FieldError]:
    if area.start >= area.end:
        yield _end_before_start_error(f"{path}.end", area.start)
    if area.x + area.w > 1 + EDGE_TOLERANCE:
        yield FieldError(
            f"{path}.w",
            f"exceeds the picture on the right: x + w is {area.x + area.w:g}, at most 1 is allowed",
            ProblemCode.OUTSIDE_PICTURE,
        )
    if area.y + area.h > 1 + EDGE_TOLERANCE:
        yield FieldError(
            f"{path}.h",
            f"exceeds the picture at the bottom: y + h is {area.y + area.h:g}, at most 1 is allowed",
            ProblemCode.OUTSIDE_PICTURE,
        )


def _text_removal_errors(parsed: ParsedFields) -> Iterator[FieldError]:
    """Where `text_removal` and the areas contradict each other."""
    if parsed.text_removal == "whole_frame":
        for index, area in parsed.areas.items():
            if area.kind != "protection":
                yield FieldError(
                    f"effects[{index}].kind",
                    "must be protection with text_removal whole_frame, which removes text everywhere else",
                    ProblemCode.INVALID_CHOICE,
                )
    removes_nothing = all(area.kind == "protection" for area in parsed.areas.values())
    if parsed.text_removal == "areas" and removes_nothing and "effects" in parsed.complete_lists:
        yield FieldError(
            "effects",
            "has no area of kind erasure or text, so there is nothing to remove; add one, or set text_removal to "
            "whole_frame",
            ProblemCode.REQUIRED,
        )


def _vendor_errors(parsed: ParsedFields) -> Iterator[FieldError]:
    """The rules of the vendors that serve the stages."""
    if parsed.options is not None:
        whole_frame = is_whole_frame(parsed.text_removal, [area.kind for area in parsed.areas.values()])
        for provider in active_providers():
            yield from provider.validate(parsed.options, parsed.areas, whole_frame=whole_frame)
