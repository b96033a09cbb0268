"""The door: what clients send becomes a request, or problems in plain words.

It takes what forms and old clients send too: lists and options as JSON text. All problems are reported at once, each
with the path of its field: those of the shape (`videojobs.request`), in our own words, and those between fields
(`videojobs.request_rules`).
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from videojobs.errors import InvalidRequest, Problem
from videojobs.request import PATTERN_HELP, AnnotationArea, AudioFile, AudioInput, JobRequest, Options, Segment
from videojobs.request_rules import check_fields
from videojobs.settings import Access, Limits
from videojobs.wording import on_show

M = TypeVar("M", bound=BaseModel)

JSON_LEVELS: Final = 2  # old clients encode twice (M2)
_MOST_TOLD: Final = 5000  # mistakes in a shape, 10 us each: every entry of a full request may be wrong ten times


def parse_request(
    raw: Mapping[str, object], *, limits: Limits | None = None, access: Access | None = None
) -> JobRequest:
    """The request in `raw`, its segments sorted by start.

    `audio`, `segments`, `effects` and `options` may be themselves, JSON text, or JSON text encoded twice; `effects` may
    be missing, null or empty. Limits and access come from the environment unless given. Raises InvalidRequest with
    every problem.
    """
    if not isinstance(raw, Mapping):
        raise InvalidRequest([Problem("request", f"must be an object, not {_word(raw)}")])
    limits, access = limits or Limits(), access or Access()
    fields, problems = _read_texts(raw, limits)
    unreadable = {problem.path for problem in problems}
    request, complaints = shape(JobRequest, fields, _WORDING)
    problems += [item for item in complaints if item.path not in unreadable]
    problems += check_fields(fields, unreadable, limits, access)
    if request is None or problems:
        raise InvalidRequest(problems)
    return request.model_copy(update={"segments": sorted(request.segments, key=lambda item: item.startTime)})


# ---- lists and options, as objects or as JSON text -----------------------------------------------------------


def _read_texts(raw: Mapping[str, object], limits: Limits) -> tuple[dict[str, object], list[Problem]]:
    """The fields with real lists and options in them. What cannot be read is left empty and reported, nothing else."""
    # Every audio file belongs to a segment, so there cannot be more of them.
    most = {"audio": limits.max_segments, "segments": limits.max_segments, "effects": limits.max_areas}
    fields, problems = dict(raw), []
    for name, count in most.items():
        try:
            fields[name] = _read_list(name, raw.get(name), count)
        except ValueError as error:
            fields[name] = []
            problems.append(Problem(name, str(error)))
    if isinstance(raw.get("options"), str):
        try:
            fields["options"] = decoded(raw["options"]) or {}
        except ValueError as error:
            fields["options"] = {}
            problems.append(Problem("options", str(error)))
    return fields, problems


def _read_list(name: str, value: object, most: int) -> list[object]:
    """Raises ValueError with a sentence."""
    value = decoded(value)
    if value is None or value == "":
        value = []
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list, or the JSON text of a list, not {_word(value)}")
    if not value and name != "effects":
        raise ValueError("is required: give a list with at least one entry")
    if len(value) > most:
        raise ValueError(f"has {len(value)} entries; at most {most} are allowed")
    return list(value)


def decoded(value: object) -> object:
    """What JSON text stands for; blank text is "", all else is itself. Raises ValueError with a sentence."""
    for _ in range(JSON_LEVELS):
        if isinstance(value, str) and value.strip():
            value = decode(value)
    if isinstance(value, str) and value.strip():
        raise ValueError("is JSON text that was encoded more than twice; encode it once")
    return "" if isinstance(value, str) else value


def decode(text: str) -> object:
    """JSON without its traps: no NaN, no field twice, no endless nesting. Raises ValueError with a sentence."""
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
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"contains an object that gives {twice[:64]!r} twice; give it once")
    return fields


def _word(value: object) -> str:
    """What a value is, in JSON's words."""
    words: dict[type, str] = {dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    words |= {int: "a number", float: "a number", list: "a list"}
    return words.get(type(value), f"a {type(value).__name__}")


# ---- the shape, in plain words -------------------------------------------------------------------------------

_NESTED: Final[dict[tuple[str, ...], type[BaseModel]]] = {
    (): JobRequest,
    ("audio",): AudioFile,
    ("segments",): Segment,
    ("segments", "audioInput"): AudioInput,
    ("effects",): AnnotationArea,
    ("options",): Options,
}

SENTENCES: Final[dict[str, str]] = {
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


@dataclass(frozen=True, slots=True)
class Wording:
    """How a model's errors are told: its parts by their names, and sentences by pydantic's kinds of errors."""

    nested: Mapping[tuple[str, ...], type[BaseModel]]
    sentences: Mapping[str, str]


_WORDING: Final = Wording(_NESTED, SENTENCES)


def shape(model: type[M], fields: Mapping[str, object], wording: Wording) -> tuple[M | None, list[Problem]]:
    """The request, or what is wrong with the shape of its fields."""
    try:
        return model.model_validate(fields), []
    except ValidationError as error:
        if (count := error.error_count()) > _MOST_TOLD:
            return None, [
                Problem("request", f"has {count} mistakes, too many to list them; its fields are {_fields(model)}")
            ]
        return None, [_problem(item, wording) for item in error.errors(include_url=False, include_input=False)]


def _problem(error: ErrorDetails, wording: Wording) -> Problem:
    return Problem(_path(error["loc"]), _sentence(error, wording))


def _path(loc: tuple[int | str, ...]) -> str:
    """`("segments", 0, "endTime")` as `segments[0].endTime`. Names come from the client: they are kept short."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{on_show(step)}" for step in loc)
    return "".join(steps).removeprefix(".") or "request"


def _sentence(error: ErrorDetails, wording: Wording) -> str:
    kind, loc, nested = error["type"], error["loc"], wording.nested
    names = tuple(step for step in loc if isinstance(step, str))
    if kind == "missing":
        return f"is required: {nested[names[:-1]].model_fields[names[-1]].description}"
    if kind == "extra_forbidden":
        return _unknown_field(nested[names[:-1]], names[-1])
    if kind == "model_type":
        return f"must be an object with the fields {_fields(nested[names])}"
    context = error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return PATTERN_HELP[context["pattern"]]
    return wording.sentences[kind].format(**context) if kind in wording.sentences else error["msg"]


def _unknown_field(model: type[BaseModel], name: str) -> str:
    for new, field in model.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices) and name in field.validation_alias.choices:
            return f"is an old name of {new}, which is given too; give only one of them"
    return f"is not a known field; remove it. The fields here are {_fields(model)}"


def _fields(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)
