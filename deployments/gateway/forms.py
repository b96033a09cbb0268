"""A multipart form as it comes in: what begins, what it holds, what ends. Nothing of it is kept here."""

from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deployments.gateway.problems import Refused


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A field or a file, by the names that the client gave."""

    name: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    """That part is complete."""


Event = PartBegins | Content | PartEnds

_FORM: Final = "Send the form as multipart/form-data with a boundary."


class Form:
    """Fed with the body's pieces, gives what they hold. Raises a refusal for what is no form."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data":
            raise Refused(415, _FORM)
        if not boundary:
            raise Refused(400, _FORM)
        self._events: list[Event] = []
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._has_ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise Refused(400, _FORM) from error

    def feed(self, piece: bytes) -> list[Event]:
        """What this piece brings."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise Refused(400, "The form cannot be read: its parts are not as its boundary says.") from error
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Nothing more comes."""
        if not self._has_ended:
            raise Refused(400, "The form broke off: it has no closing boundary.")

    def _part_begin(self) -> None:
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name")
        if kind != b"form-data" or name is None:
            raise Refused(400, "A part of the form has no name: `Content-Disposition: form-data; name=...`.")
        file_name = options.get(b"filename", b"")
        self._events.append(PartBegins(name.decode(errors="replace"), file_name.decode(errors="replace")))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(Content(data[start:end]))

    def _part_end(self) -> None:
        self._events.append(PartEnds())

    def _end(self) -> None:
        self._has_ended = True
