"""The rules, asked while a job is being put together in the browser: the same ones as later, by what is known by then.

The browser knows how long its files are, how large, and of what kind by their names. Whether every frame can be decoded
only a worker finds out.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from videojobs.errors import InvalidRequest, Problem
from videojobs.intake import parse_request
from videojobs.rules import check_media
from videojobs.settings import Access, Limits

# By the end of a name: what `videojobs.media.probe` calls such files. A name that says nothing gets the benefit.
_CONTAINERS: Final = {"m4v": "mp4", "m4a": "mp4", "oga": "ogg", "opus": "ogg", "qt": "mov", "wave": "wav"}
_UNKNOWN_RATE: Final = 25.0  # frames a second; no browser tells, and only the rules' tolerances depend on it

Length = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]  # seconds


class _Seen(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=1000)
    size: int = Field(ge=0)  # bytes
    duration: Length


class SeenVideo(_Seen):
    """What a browser knows of a video that it can play."""

    width: int = Field(gt=0, le=100_000)
    height: int = Field(gt=0, le=100_000)


class Seen(BaseModel):
    """What it knows of all files: those that it cannot play are missing."""

    model_config = ConfigDict(extra="forbid")

    video: SeenVideo | None
    audio: dict[str, _Seen]


class Draft(BaseModel):
    """A request as it will be sent, with placeholders for the addresses of its files."""

    request: dict[str, Any]
    facts: Seen


@dataclass(frozen=True, slots=True)
class _Facts:
    """As `videojobs.rules` wants to have them."""

    container: str
    size: int
    duration: float
    width: int = 0
    height: int = 0
    frame_rate: float = _UNKNOWN_RATE


def problems_of(draft: Draft, user_id: str) -> list[Problem]:
    """Every rule that is broken already, with the fields as the browser numbers them."""
    limits = Limits()
    try:
        request = parse_request(
            {**draft.request, "user_id": user_id}, limits=limits, access=Access(allow_local_files=False)
        )
    except InvalidRequest as error:
        return list(error.problems)
    known = {ref_id: _facts(seen, "wav") for ref_id, seen in draft.facts.audio.items()}
    if draft.facts.video is None or any(item.refId not in known for item in request.audio):
        return []
    return [
        Problem(_as_sent(problem.path, draft.request.get("segments")), problem.message)
        for problem in check_media(request, _video_facts(draft.facts.video), known, limits)
    ]


def _as_sent(path: str, segments: object) -> str:
    """The rules number segments by their start; the browser, in the order in which they were made."""
    if not isinstance(segments, list):  # JSON text of a list: not from our page
        return path
    order = sorted(range(len(segments)), key=lambda index: float(segments[index]["startTime"]))
    return re.sub(r"^segments\[(\d+)]", lambda found: f"segments[{order[int(found[1])]}]", path)


def _container(name: str, otherwise: str) -> str:
    ending = PurePath(name).suffix.lower().removeprefix(".")
    return _CONTAINERS.get(ending, ending) or otherwise


def _facts(seen: _Seen, otherwise: str) -> _Facts:
    return _Facts(_container(seen.name, otherwise), seen.size, seen.duration)


def _video_facts(seen: SeenVideo) -> _Facts:
    return _Facts(_container(seen.name, "mp4"), seen.size, seen.duration, seen.width, seen.height)
