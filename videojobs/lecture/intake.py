"""The door for lectures: what clients send becomes a request, or problems in plain words."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from videojobs.errors import InvalidRequest, Problem
from videojobs.intake import SENTENCES, Wording, decoded, shape
from videojobs.lecture.options import (
    LectureOptions,
    Mask,
    PdfOptions,
    SlideOptions,
    SpeechOptions,
    SubtitleOptions,
)
from videojobs.lecture.request import LectureRequest
from videojobs.request_rules import source_complaint
from videojobs.settings import Access

_NESTED: Final[dict[tuple[str, ...], type[BaseModel]]] = {
    (): LectureRequest,
    ("options",): LectureOptions,
    ("options", "speech"): SpeechOptions,
    ("options", "subtitles"): SubtitleOptions,
    ("options", "slides"): SlideOptions,
    ("options", "slides", "masks"): Mask,
    ("options", "pdf"): PdfOptions,
}
_WORDING: Final = Wording(_NESTED, SENTENCES | {"less_than_equal": "must be {le:g} or less"})


def parse_lecture(raw: Mapping[str, object], *, access: Access | None = None) -> LectureRequest:
    """The request in `raw`; `options` may be JSON text. Raises InvalidRequest with every problem."""
    if not isinstance(raw, Mapping):
        raise InvalidRequest([Problem("request", "must be an object")])
    fields, problems = dict(raw), []
    try:
        fields["options"] = decoded(raw.get("options")) or {}
    except ValueError as error:
        fields["options"] = {}
        problems.append(Problem("options", str(error)))
    request, complaints = shape(LectureRequest, fields, _WORDING)
    problems += complaints
    video = fields.get("video")
    if isinstance(video, str) and video.strip() and (wrong := source_complaint(video.strip(), access or Access())):
        problems.append(Problem("video", wrong))
    if request is None or problems:
        raise InvalidRequest(problems)
    return request
