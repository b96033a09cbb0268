"""Rules between the fields of a request: references, overlaps, places, and what the vendors' models take.

They need no media, and not even a whole request: each is checked on what could be read of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from videojobs.errors import Problem
from videojobs.media.reach import Reach
from videojobs.request import AnnotationArea, AudioFile, Options, Segment, to_microseconds
from videojobs.settings import Access, Limits
from videojobs.vendors.ghostcut.masks import ERASE_MODELS
from videojobs.wording import as_seconds, on_show

EDGE_TOLERANCE: Final = 1e-6  # a rectangle may stick out this far: 0.7 + 0.3 is a little more than 1 in floats

_NAMED: Final = 20  # audio files in a message that says which there are; every segment may get one

P = TypeVar("P", bound=BaseModel)


def check_fields(
    fields: Mapping[str, Any], unreadable: Iterable[str], limits: Limits, access: Access
) -> Iterator[Problem]:
    """Every broken rule. `fields` is a request as it came, its `audio`, `segments` and `effects` as real lists.

    `unreadable` names the lists that could not be read: they are empty in `fields`, and that means nothing.
    """
    parts = _Parts.of(fields, unreadable)
    yield from _sources(parts, access)
    yield from _references(parts)
    for index, segment in parts.segments.items():
        yield from _segment(f"segments[{index}]", segment, limits)
    yield from _overlaps(parts.segments)
    for index, area in parts.areas.items():
        yield from _area(f"effects[{index}]", area)
    yield from _something_to_remove(parts)
    yield from _inpaint_model(parts)


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


# ---- places --------------------------------------------------------------------------------------------------


def _sources(parts: _Parts, access: Access) -> Iterator[Problem]:
    sources = {"video": parts.video} if parts.video else {}
    sources |= {f"audio[{index}].source": item.source for index, item in parts.audio.items()}
    for path, source in sources.items():
        if complaint := source_complaint(source, access):
            yield Problem(path, complaint)  # without the source: its query may carry a signature


def source_complaint(source: str, access: Access) -> str | None:
    """What is wrong with where a file is said to be."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]{1,31}):", source)  # two letters or more: C:\ is a drive
    scheme = match[1].lower() if match else "file"
    if scheme == "s3":
        good = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.*[^/]", source)
        return None if good else "must be s3://bucket/key, with a key that names one object"
    if scheme == "https" or (scheme == "http" and access.allow_plain_http):
        return _url_complaint(source) or _host_complaint(source, access)
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


def _host_complaint(source: str, access: Access) -> str | None:
    """What the host's name tells already; what it means is looked at when the file is fetched."""
    try:
        host = httpx.URL(source).raw_host.decode("ascii")
    except httpx.InvalidURL:
        return "must be a complete URL, such as https://example.com/video.mp4"
    return Reach.of_inputs(access).complaint_about_host(host)


# ---- references ----------------------------------------------------------------------------------------------


def _references(parts: _Parts) -> Iterator[Problem]:
    """What cannot be read may be the missing name or the missing user, so nothing is said about those then."""
    first: dict[str, int] = {}
    wanted = set(parts.wanted.values())
    for index, ref_id in parts.named.items():
        if first.setdefault(ref_id, index) != index:
            message = f"is used by audio[{first[ref_id]}] already; give another name"
            yield Problem(f"audio[{index}].refId", message)
        elif "segments" in parts.complete and ref_id not in wanted:
            yield Problem(f"audio[{index}].refId", "is not used by any segment; use it, or remove the file")
    if "audio" in parts.complete:
        known = ", ".join(map(on_show, sorted(first)[:_NAMED])) + (", ..." if len(first) > _NAMED else "")
        for index, ref_id in parts.wanted.items():
            if ref_id not in first:
                message = f"names no audio file; the audio files are {known}"
                yield Problem(f"segments[{index}].audioInput.refId", message)


# ---- times ---------------------------------------------------------------------------------------------------


def _segment(path: str, segment: Segment, limits: Limits) -> Iterator[Problem]:
    start, end, least = segment.startTime, segment.endTime, limits.min_segment_seconds
    if start >= end:
        yield _must_end_after(f"{path}.endTime", start)
    elif to_microseconds(end - start) < least:
        length = as_seconds(end - start)
        yield Problem(
            f"{path}.endTime",
            f"makes the segment {length} long; the shortest that makes sense is {as_seconds(least)}",
        )
    crop = segment.audioInput
    if crop.startTime is not None and crop.endTime is not None and crop.startTime >= crop.endTime:
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


# ---- areas, and what the text removal models take ------------------------------------------------------------


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
