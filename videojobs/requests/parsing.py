"""Parses and validates job requests.

Accepts lists and options as JSON text, too, as forms and old clients send them. All errors are reported at once, each
with the path of its field: those of the shape (`videojobs.requests.models`), with our own messages, and those of the
rules between fields (`videojobs.requests.field_rules`).
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from videojobs.errors import FieldError, InvalidRequest, ProblemCode
from videojobs.requests.field_rules import validate_fields
from videojobs.requests.models import (
    PATTERN_MESSAGES,
    AnnotationArea,
    AudioFile,
    AudioInput,
    JobRequest,
    Options,
    Segment,
    SpeakerBox,
)
from videojobs.settings import AccessSettings, LimitSettings
from videojobs.text import safe_display
from videojobs.webhooks.url_rules import callback_url_errors

M = TypeVar("M", bound=BaseModel)

MAX_JSON_ENCODINGS: Final = 2  # old clients encode twice (M2)
_MAX_REPORTED_ERRORS: Final = (
    5000  # errors of the shape, 10 us each: every entry of a full request may be wrong ten times
)


def parse_request(
    raw: Mapping[str, object], *, limits: LimitSettings | None = None, access: AccessSettings | None = None
) -> JobRequest:
    """The request in `raw`, its segments sorted by start.

    `audio`, `segments`, `effects` and `options` may be values, JSON text, or JSON text encoded twice; the lists may be
    missing, null or empty. Limits and access come from the environment unless given. Raises InvalidRequest with every
    error.
    """
    if not isinstance(raw, Mapping):
        message = f"must be an object, not {json_type_name(raw)}"
        raise InvalidRequest([FieldError("request", message, ProblemCode.WRONG_TYPE)])
    limits, access = limits or LimitSettings.current(), access or AccessSettings.current()
    fields, problems = _decode_json_fields(raw, limits)
    unreadable = {problem.path for problem in problems}
    request, model_errors = validate_model(JobRequest, fields, _REQUEST_MESSAGES)
    problems += [item for item in model_errors if item.path not in unreadable]
    problems += validate_fields(fields, unreadable, limits, access)
    problems += callback_url_errors(fields, access)
    if request is None or problems:
        raise InvalidRequest(problems)
    return _sort_segments(request)


def parse_admitted_request(raw: Mapping[str, object]) -> JobRequest:
    """The request of a job that was admitted before: its shape only, not its rules, which may have changed since.

    Raises InvalidRequest if it is no request at all.
    """
    limits = LimitSettings.current().model_copy(update={"max_segments": sys.maxsize, "max_areas": sys.maxsize})
    fields, problems = _decode_json_fields(raw, limits)
    request, model_errors = validate_model(JobRequest, fields, _REQUEST_MESSAGES)
    if request is None or problems:
        raise InvalidRequest([*problems, *model_errors])
    return _sort_segments(request)


def _sort_segments(request: JobRequest) -> JobRequest:
    return request.model_copy(update={"segments": sorted(request.segments, key=lambda item: item.startTime)})


# ---- lists and options, as objects or as JSON text -----------------------------------------------------------


def _decode_json_fields(raw: Mapping[str, object], limits: LimitSettings) -> tuple[dict[str, object], list[FieldError]]:
    """The fields with lists and options decoded. Unreadable ones are left empty and reported."""
    # Every audio file belongs to a segment, or is the only one, so there cannot be more of them.
    most = {"audio": limits.max_segments, "segments": limits.max_segments, "effects": limits.max_areas}
    fields, problems = dict(raw), []
    for name, count in most.items():
        try:
            fields[name] = _decode_list(raw.get(name), count)
        except ValueError as error:
            fields[name] = []
            code = error.code if isinstance(error, _InvalidList) else ProblemCode.INVALID_JSON
            problems.append(FieldError(name, str(error), code))
    if isinstance(raw.get("options"), str):
        try:
            fields["options"] = decode_json_text(raw["options"]) or {}
        except ValueError as error:
            fields["options"] = {}
            problems.append(FieldError("options", str(error), ProblemCode.INVALID_JSON))
    return fields, problems


class _InvalidList(ValueError):
    """The message is for the client."""

    def __init__(self, message: str, code: ProblemCode) -> None:
        super().__init__(message)
        self.code = code


def _decode_list(value: object, max_entries: int) -> list[object]:
    """Raises ValueError with a message for the client."""
    value = decode_json_text(value)
    if value is None or value == "":
        value = []
    if not isinstance(value, list | tuple):
        message = f"must be a list, or the JSON text of a list, not {json_type_name(value)}"
        raise _InvalidList(message, ProblemCode.WRONG_TYPE)
    if len(value) > max_entries:
        raise _InvalidList(f"has {len(value)} entries; at most {max_entries} are allowed", ProblemCode.TOO_MANY)
    return list(value)


def decode_json_text(value: object) -> object:
    """Decodes JSON text; blank text is "", other values stay. Raises ValueError with a message for the client."""
    for _ in range(MAX_JSON_ENCODINGS):
        if isinstance(value, str) and value.strip():
            value = parse_json_strict(value)
    if isinstance(value, str) and value.strip():
        raise ValueError("is JSON text that was encoded more than twice; encode it once")
    return "" if isinstance(value, str) else value


def parse_json_strict(text: str) -> object:
    """Strict JSON: no NaN, no duplicate keys, limited nesting. Raises ValueError with a message for the client."""
    try:
        return json.loads(
            text, parse_int=float, parse_constant=_reject_constant, object_pairs_hook=_reject_duplicate_keys
        )  # every number of a request is a float, and int() refuses more than 4300 digits
    except json.JSONDecodeError as error:
        raise ValueError(f"is not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is nested too deeply; send a plain list of objects") from None


def _reject_constant(name: str) -> object:
    raise ValueError(f"contains {name}, which is not a JSON number; send finite numbers")


def _reject_duplicate_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Which of two values is meant is ambiguous, so both are rejected."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"contains an object that gives {twice[:64]!r} twice; give it once")
    return fields


def json_type_name(value: object) -> str:
    """The JSON type of a value, for messages."""
    words: dict[type, str] = {dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    words |= {int: "a number", float: "a number", list: "a list"}
    return words.get(type(value), f"a {type(value).__name__}")


# ---- errors of the shape -------------------------------------------------------------------------------------

_NESTED_MODELS: Final[dict[tuple[str, ...], type[BaseModel]]] = {
    (): JobRequest,
    ("audio",): AudioFile,
    ("segments",): Segment,
    ("segments", "audioInput"): AudioInput,
    ("segments", "speakerBox"): SpeakerBox,
    ("effects",): AnnotationArea,
    ("options",): Options,
}

ERROR_MESSAGES: Final[dict[str, str]] = {
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
_PROBLEM_CODES: Final[dict[ProblemCode, frozenset[str]]] = {
    ProblemCode.REQUIRED: frozenset({"missing", "string_too_short", "too_short"}),
    ProblemCode.UNKNOWN_FIELD: frozenset({"extra_forbidden", "invalid_key"}),
    ProblemCode.INVALID_JSON: frozenset({"json_invalid"}),
    ProblemCode.INVALID_FORMAT: frozenset({"string_pattern_mismatch", "string_unicode", "control"}),
    ProblemCode.INVALID_CHOICE: frozenset({"literal_error", "enum"}),
    ProblemCode.OUT_OF_RANGE: frozenset(
        {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}
    ),
    ProblemCode.TOO_LONG: frozenset({"string_too_long"}),
    ProblemCode.TOO_MANY: frozenset({"too_long"}),
}


def problem_code(error_type: str) -> ProblemCode:
    """The code of one of pydantic's error types."""
    for code, error_types in _PROBLEM_CODES.items():
        if error_type in error_types:
            return code
    return ProblemCode.WRONG_TYPE if error_type.endswith(("_type", "_parsing")) else ProblemCode.INVALID_VALUE


@dataclass(frozen=True, slots=True)
class ErrorMessages:
    """Messages for a model's errors: its nested models by path, and texts by pydantic's error types."""

    models_by_path: Mapping[tuple[str, ...], type[BaseModel]]
    by_error_type: Mapping[str, str]


_REQUEST_MESSAGES: Final = ErrorMessages(_NESTED_MODELS, ERROR_MESSAGES)


def validate_model(
    model: type[M], fields: Mapping[str, object], messages: ErrorMessages
) -> tuple[M | None, list[FieldError]]:
    """The model, or the errors of its fields."""
    try:
        return model.model_validate(fields), []
    except ValidationError as error:
        if (count := error.error_count()) > _MAX_REPORTED_ERRORS:
            return None, [
                FieldError(
                    "request",
                    f"has {count} mistakes, too many to list them; its fields are {_field_names(model)}",
                    ProblemCode.TOO_MANY,
                )
            ]
        return None, [_to_field_error(item, messages) for item in error.errors(include_url=False, include_input=False)]


def _to_field_error(error: ErrorDetails, messages: ErrorMessages) -> FieldError:
    return FieldError(_field_path(error["loc"]), _error_message(error, messages), problem_code(error["type"]))


def _field_path(loc: tuple[int | str, ...]) -> str:
    """`("segments", 0, "endTime")` as `segments[0].endTime`. Names come from the client, so they are shortened."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{safe_display(step)}" for step in loc)
    return "".join(steps).removeprefix(".") or "request"


def _error_message(error: ErrorDetails, messages: ErrorMessages) -> str:
    kind, loc, nested = error["type"], error["loc"], messages.models_by_path
    names = tuple(step for step in loc if isinstance(step, str))
    if kind == "missing":
        return f"is required: {nested[names[:-1]].model_fields[names[-1]].description}"
    if kind == "extra_forbidden":
        return _unknown_field_message(nested[names[:-1]], names[-1])
    if kind == "model_type":
        return f"must be an object with the fields {_field_names(nested[names])}"
    context = error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return PATTERN_MESSAGES[context["pattern"]]
    return messages.by_error_type[kind].format(**context) if kind in messages.by_error_type else error["msg"]


def _unknown_field_message(model: type[BaseModel], name: str) -> str:
    for new, field in model.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices) and name in field.validation_alias.choices:
            return f"is an old name of {new}, which is given too; give only one of them"
    return f"is not a known field; remove it. The fields here are {_field_names(model)}"


def _field_names(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)
