"""What the data formats of all vendors share: exact requests, tolerant parsing, sanitised texts.

Vendors add fields, turn ids from numbers into strings and send null for everything unset. So a model requires only what
is indispensable; an optional field of an unexpected type reads as None.
"""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

MAX_TEXT_LENGTH = 500  # characters of a vendor's text in an error message: enough to read, too short to flood a row
_MAX_SCANNED_LENGTH = 20 * MAX_TEXT_LENGTH  # scanned before it is shortened, so that the cut cannot expose half a query

# Presigned links contain their permission in the query, plain or percent-encoded; messages must not contain it.
_URL_QUERY = re.compile(r"(?:\?|%3f)[^\s\"'<>]*(?:=|%3d)[^\s\"'<>]*", re.IGNORECASE)
_URL_USERINFO = re.compile(r"(?<=://)[^\s/@]+@")

T = TypeVar("T")


def compact_json(value: object) -> str:
    """JSON without blanks, in ASCII: signatures and idempotency hashes depend on every byte."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def normalize_number(value: float) -> int | float:
    """`value`, as an int if it is whole: 2 and 2.0 must give the same bytes."""
    return int(value) if float(value).is_integer() else float(value)


def sanitize_text(text: str) -> str:
    """A vendor's text, fit for a message, a log line and a database column.

    One line, no control characters (Postgres rejects NUL), no URL queries or passwords, at most `MAX_TEXT_LENGTH`.
    """
    printable = "".join(char if char.isprintable() else " " for char in text[:_MAX_SCANNED_LENGTH])
    bare = _URL_USERINFO.sub("", _URL_QUERY.sub("", printable))
    line = " ".join(bare.split())
    return line if len(line) <= MAX_TEXT_LENGTH else line[: MAX_TEXT_LENGTH - 1] + "…"


def _coerce_text(value: object) -> str | None:
    """A text, which some responses have as a list of texts or as an object with a message."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(_coerce_text, value))) or None
    if isinstance(value, dict):
        return _coerce_text(value.get("message")) or compact_json(value)
    return None if value is None else sanitize_text(str(value)) or None


def _coerce_identifier(value: object) -> object:
    """An id, which may be a number in one response and a string in the next."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _none_if_unreadable(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


Text = Annotated[str | None, BeforeValidator(_coerce_text)]
Identifier = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), BeforeValidator(_coerce_identifier)]
Lenient = Annotated[T | None, WrapValidator(_none_if_unreadable)]


class VendorModel(BaseModel):
    """Base of all vendor responses. For the job's record, it keeps unknown fields, and dumps the vendor's names."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel, serialize_by_alias=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Ids and states only: the other fields contain links, which are permissions."""
        shown = ("id", "status", "process_status", "code")
        return [(name, getattr(self, name)) for name in shown if name in type(self).model_fields]
