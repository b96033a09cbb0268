"""Validates a draft job while the form is being filled in, by the same rules as later, as far as the facts are known.

The browser knows the duration, the size and the file name of its files. Only a worker can tell whether every frame
decodes.
"""

import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from videojobs.errors import FieldError, InvalidRequest
from videojobs.requests.media_rules import validate_media
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings, LimitSettings

# By file extension, as `videojobs.media.probe` names containers. A file without one is assumed to be valid.
_CONTAINER_BY_EXTENSION: Final = {"m4v": "mp4", "m4a": "mp4", "oga": "ogg", "opus": "ogg", "qt": "mov", "wave": "wav"}
_ASSUMED_FRAME_RATE: Final = 25.0  # per second; browsers do not tell, and only tolerances depend on it

DurationSeconds = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]  # seconds


class _BrowserFileInfo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=1000)
    size: int = Field(ge=0)  # bytes
    duration: DurationSeconds


class BrowserVideoInfo(_BrowserFileInfo):
    """What a browser knows about a video that it can play."""

    width: int = Field(gt=0, le=100_000)
    height: int = Field(gt=0, le=100_000)


class BrowserMediaInfo(BaseModel):
    """What the browser knows about all files. Files that it cannot play are missing."""

    model_config = ConfigDict(extra="forbid")

    video: BrowserVideoInfo | None
    audio: dict[str, _BrowserFileInfo]


class DraftJob(BaseModel):
    """A request as it will be sent, with placeholders for the locations of its files."""

    request: dict[str, Any]
    facts: BrowserMediaInfo


@dataclass(frozen=True, slots=True)
class _MediaInfo:
    """The facts in the form that `videojobs.requests.media_rules` takes."""

    container: str
    size: int
    duration: float
    width: int = 0
    height: int = 0
    frame_rate: float = _ASSUMED_FRAME_RATE


def validate_draft(draft: DraftJob, user_id: str) -> list[FieldError]:
    """All problems that can be found now, with fields numbered as in the browser."""
    limits = LimitSettings.current()
    try:
        request = parse_request(
            {**draft.request, "user_id": user_id}, limits=limits, access=AccessSettings(allow_local_files=False)
        )
    except InvalidRequest as error:
        return list(error.errors)
    audio_info = {ref_id: _media_info(seen, "wav") for ref_id, seen in draft.facts.audio.items()}
    if draft.facts.video is None or any(item.refId not in audio_info for item in request.audio):
        return []
    return [
        replace(problem, path=_draft_path(problem.path, draft.request.get("segments")))
        for problem in validate_media(request, _video_info(draft.facts.video), audio_info, limits)
    ]


def _draft_path(path: str, segments: object) -> str:
    """The rules number segments by start time; the browser, by creation."""
    if not isinstance(segments, list):  # JSON text of a list; our page does not send this
        return path
    order = sorted(range(len(segments)), key=lambda index: float(segments[index]["startTime"]))
    return re.sub(r"^segments\[(\d+)]", lambda found: f"segments[{order[int(found[1])]}]", path)


def _container_from_name(name: str, default: str) -> str:
    extension = PurePath(name).suffix.lower().removeprefix(".")
    return _CONTAINER_BY_EXTENSION.get(extension, extension) or default


def _media_info(browser_info: _BrowserFileInfo, default_container: str) -> _MediaInfo:
    return _MediaInfo(
        _container_from_name(browser_info.name, default_container), browser_info.size, browser_info.duration
    )


def _video_info(browser_info: BrowserVideoInfo) -> _MediaInfo:
    return _MediaInfo(
        _container_from_name(browser_info.name, "mp4"),
        browser_info.size,
        browser_info.duration,
        browser_info.width,
        browser_info.height,
    )
