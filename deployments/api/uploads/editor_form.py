"""Normalises the form of the old editor to the fields of a request.

That editor sends values that slightly break the rules and were always accepted: an edge just outside the picture, an
area that begins just before the video. They are corrected here, and each change is reported. JSON requests come from
new clients and have to keep the rules.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from videojobs.requests.field_rules import EDGE_TOLERANCE
from videojobs.requests.models import to_microseconds
from videojobs.requests.parsing import decode_json_text
from videojobs.settings import LimitSettings
from videojobs.text import format_seconds

EDGE_OVERSHOOT: Final = 0.01  # of the picture: the editor rounds to pixels of a preview that may be 200 pixels wide
MAX_EARLY_START_SECONDS: Final = 1.0  # of an area, before the video: it was dragged past the left end of the timeline

MAX_NAME_LENGTH: Final = 200  # characters of a job's name (`videojobs.requests.models`)

_REGION_FIELDS: Final = {"x": "x", "y": "y", "width": "w", "height": "h"}
_LEGACY_FIELD_NAMES: Final = {"kind": "type", "start": "startTime", "end": "endTime"}


@dataclass(slots=True)
class EditorForm:
    """The parsed `segments_data` and `effects`. Unreadable values stay as they are: validation reports them."""

    segments: object
    effects: object
    ref_ids: list[str] = field(default_factory=list)  # each once, in the order in which the segments first name them
    all_segments_named: bool = False  # whether every segment could be read and names its audio
    changes: list[str] = field(default_factory=list)  # sentences with the form's field names
    areas: list["_Area"] = field(default_factory=list)  # of `effects`, those that are kept
    has_dropped_areas: bool = False

    @classmethod
    def parse(cls, segments: str | None, effects: str | None) -> "EditorForm":
        """From JSON text, encoded once or twice. Lists that are too long are not parsed."""
        form, limits = cls(segments, effects), LimitSettings.current()
        items = _parse_list(segments)
        if items is not None and len(items) <= limits.max_segments:
            form.segments = items
            form._parse_segments(items)
        items = _parse_list(effects)
        if items is not None and len(items) <= limits.max_areas and all(isinstance(item, Mapping) for item in items):
            form._parse_areas(items)
            form.effects = [area.fields for area in form.areas]
        return form

    @property
    def lost_all_areas(self) -> bool:
        """Whether areas were sent, and none is kept. The old system then removed text from the whole frame."""
        return self.has_dropped_areas and not self.areas

    def client_path(self, path: str) -> str:
        """The client's own number and name for a field of an area; any other path is returned unchanged."""
        found = re.fullmatch(r"effects\[(\d+)](?:\.(\w+))?(.*)", path)
        if found is None or not self.areas:
            return path
        area = self.areas[int(found[1])]
        name = f".{area.client_names.get(found[2], found[2])}" if found[2] else ""
        return f"effects[{area.index}]{name}{found[3]}"

    def _parse_segments(self, items: list[Any]) -> None:
        inputs = [item.get("audioInput") if isinstance(item, Mapping) else None for item in items]
        names = [item.get("refId") if isinstance(item, Mapping) else None for item in inputs]
        self.ref_ids = list(dict.fromkeys(name for name in names if isinstance(name, str)))
        self.all_segments_named = bool(names) and all(isinstance(name, str) for name in names)
        for index, item in enumerate(inputs):
            if isinstance(item, Mapping) and (item.get("startTime") is None) != (item.get("endTime") is None):
                how = "from the start of the audio" if item.get("startTime") is None else "to the end of the audio"
                self.changes.append(f"segments_data[{index}].audioInput: only one end is given; it is used {how}")

    def _parse_areas(self, items: list[Any]) -> None:
        for index, item in enumerate(items):
            area = _Area.parse(index, item)
            self.changes += area.normalize()
            if area.is_empty:
                self.changes.append(f"effects[{index}]: ends where it begins; it is left out")
                self.has_dropped_areas = True
            else:
                self.areas.append(area)
        if self.lost_all_areas:
            self.changes.append("effects: no area is left; text is removed from the whole picture")


@dataclass(slots=True)
class _Area:
    """An area with the request's field names, and the client's names for them."""

    index: int
    fields: dict[str, Any]
    client_names: dict[str, str] = field(default_factory=dict)  # the client's own names, where they differ

    @classmethod
    def parse(cls, index: int, item: Mapping[str, Any]) -> "_Area":
        """With a flat `region`. Duplicate and unknown fields of it keep a name that validation rejects."""
        fields = dict(item)
        names = {
            ours: theirs for ours, theirs in _LEGACY_FIELD_NAMES.items() if theirs in fields and ours not in fields
        }
        if "region" in fields:
            region = fields.pop("region")
            names |= {ours: f"region.{theirs}" for theirs, ours in _REGION_FIELDS.items() if ours not in item}
            for theirs, value in region.items() if isinstance(region, Mapping) else ():
                ours = _REGION_FIELDS.get(theirs, "")
                fields[ours if ours and ours not in item else f"region.{theirs}"] = value
        return cls(index, fields, names)

    @property
    def is_empty(self) -> bool:
        start, end = self._number("start"), self._number("end")
        return start is not None and end is not None and to_microseconds(start) == to_microseconds(end)

    def normalize(self) -> list[str]:
        """Correct small deviations. Returns a sentence for each change."""
        return [*self._clamp_to_picture("x", "w"), *self._clamp_to_picture("y", "h"), *self._clamp_to_video()]

    def _clamp_to_picture(self, start_field: str, size_field: str) -> Iterator[str]:
        """Cut both edges of one dimension at the picture."""
        low, length = self._number(start_field), self._number(size_field)
        if low is None or length is None:
            return
        high, as_drawn = low + length, (low, low + length)
        if round(-low, 6) <= EDGE_OVERSHOOT and low < 0 < high:
            yield f"{self._client_path(start_field)}: {low:g} is outside the picture; it is set to 0"
            low = 0.0
        if round(high - 1, 6) <= EDGE_OVERSHOOT and low < 1 and (high > 1 + EDGE_TOLERANCE or high - low > 1):
            yield f"{self._client_path(size_field)}: reaches to {high:g}, outside the picture; it is cut at 1"
            high = 1.0
        if (low, high) != as_drawn:
            self.fields[start_field], self.fields[size_field] = low, high - low

    def _clamp_to_video(self) -> Iterator[str]:
        start = self._number("start")
        if start is not None and -MAX_EARLY_START_SECONDS < start < 0:
            yield f"{self._client_path('start')}: {format_seconds(start)} is before the video; it is set to 0 s"
            self.fields[self._stored_name("start")] = 0.0

    def _stored_name(self, ours: str) -> str:
        """The key in `fields` that holds one of our fields."""
        theirs = self.client_names.get(ours, ours)
        return theirs if theirs in self.fields else ours

    def _client_path(self, ours: str) -> str:
        return f"effects[{self.index}].{self.client_names.get(ours, ours)}"

    def _number(self, ours: str) -> float | None:
        value = self.fields.get(self._stored_name(ours))
        return value if isinstance(value, float) else None  # our JSON decoder makes all numbers floats


def truncate_name(name: str | None) -> str | None:
    """The editor names a job after its file, and file names have up to 255 characters of any kind."""
    return name and "".join(letter if letter.isprintable() else " " for letter in name)[:MAX_NAME_LENGTH]


def is_empty_list(value: object) -> bool:
    """Whether a list of the form is missing or empty. A value that is no list is neither."""
    try:
        return decode_json_text(value) in (None, "", [])
    except ValueError:
        return False


def _parse_list(text: str | None) -> list[Any] | None:
    """The list in a field; None if it holds anything else."""
    try:
        found = decode_json_text(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None
