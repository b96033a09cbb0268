"""Parses and validates clients' lecture requests."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from videojobs.errors import FieldError, InvalidRequest, ProblemCode
from videojobs.lecture.options import (
    LectureOptions,
    Mask,
    PdfOptions,
    SlideOptions,
    SpeechOptions,
    SubtitleOptions,
)
from videojobs.lecture.request import LectureRequest
from videojobs.requests.field_rules import source_error
from videojobs.requests.parsing import ERROR_MESSAGES, ErrorMessages, decode_json_text, validate_model
from videojobs.settings import AccessSettings
from videojobs.webhooks.url_rules import callback_url_errors

_MODELS_BY_PATH: Final[dict[tuple[str, ...], type[BaseModel]]] = {
    (): LectureRequest,
    ("options",): LectureOptions,
    ("options", "speech"): SpeechOptions,
    ("options", "subtitles"): SubtitleOptions,
    ("options", "slides"): SlideOptions,
    ("options", "slides", "masks"): Mask,
    ("options", "pdf"): PdfOptions,
}
_ERROR_MESSAGES: Final = ErrorMessages(_MODELS_BY_PATH, ERROR_MESSAGES | {"less_than_equal": "must be {le:g} or less"})


def parse_lecture(raw: Mapping[str, object], *, access: AccessSettings | None = None) -> LectureRequest:
    """The request in `raw`; `options` may be JSON text. Raises InvalidRequest with all errors."""
    if not isinstance(raw, Mapping):
        raise InvalidRequest([FieldError("request", "must be an object", ProblemCode.WRONG_TYPE)])
    request, problems = _parse_shape(raw)
    video, access = raw.get("video"), access or AccessSettings.current()
    if isinstance(video, str) and video.strip() and (error_text := source_error(video.strip(), access)):
        problems.append(FieldError("video", error_text, ProblemCode.INVALID_SOURCE))
    problems += callback_url_errors(raw, access)
    if request is None or problems:
        raise InvalidRequest(problems)
    return request


def parse_admitted_lecture(raw: Mapping[str, object]) -> LectureRequest:
    """The request of a lecture that was admitted before: without the rule for its source, which may have changed."""
    request, problems = _parse_shape(raw)
    if request is None or problems:
        raise InvalidRequest(problems)
    return request


def _parse_shape(raw: Mapping[str, object]) -> tuple[LectureRequest | None, list[FieldError]]:
    fields, problems = dict(raw), []
    try:
        fields["options"] = decode_json_text(raw.get("options")) or {}
    except ValueError as error:
        fields["options"] = {}
        problems.append(FieldError("options", str(error), ProblemCode.INVALID_JSON))
    request, field_errors = validate_model(LectureRequest, fields, _ERROR_MESSAGES)
    return request, [*problems, *field_errors]
