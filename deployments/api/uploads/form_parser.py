"""Parses a multipart form while it arrives, into events for the start, the data and the end of each part."""

from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deployments.api.errors import ApiError


@dataclass(frozen=True, slots=True)
class PartStart:
    """A field or a file begins; the names are the client's."""

    name: str
    file_name: str


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the current part."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The current part is complete."""


MultipartEvent = PartStart | PartData | PartEnd

_CONTENT_TYPE_MESSAGE: Final = "Send the form as multipart/form-data with a boundary."


class MultipartReader:
    """Takes the body in chunks and returns their events. Raises ApiError (400, 415) for anything but a form."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data":
            raise ApiError(415, _CONTENT_TYPE_MESSAGE)
        if not boundary:
            raise ApiError(400, _CONTENT_TYPE_MESSAGE)
        self._events: list[MultipartEvent] = []
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._has_ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise ApiError(400, _CONTENT_TYPE_MESSAGE) from error

    def feed(self, chunk: bytes) -> list[MultipartEvent]:
        """The events of the next chunk."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ApiError(400, "Malformed multipart body.") from error
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """The body is complete."""
        if not self._has_ended:
            raise ApiError(400, "The form is incomplete: its closing boundary is missing.")

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name")
        if kind != b"form-data" or name is None:
            raise ApiError(400, "A part of the form has no name: `Content-Disposition: form-data; name=...`.")
        file_name = options.get(b"filename", b"")
        self._events.append(PartStart(name.decode(errors="replace"), file_name.decode(errors="replace")))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(PartData(data[start:end]))

    def _on_part_end(self) -> None:
        self._events.append(PartEnd())

    def _on_end(self) -> None:
        self._has_ended = True
