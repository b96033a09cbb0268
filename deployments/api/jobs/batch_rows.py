"""The rows of a batch, from JSON or CSV: shapes only. What is in them is checked as in single requests."""

import csv
import io
from collections.abc import Mapping
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile

from deployments.api.errors import ApiError, validation_error
from videojobs.errors import FieldError, ProblemCode
from videojobs.requests.parsing import parse_json_strict

CSV_COLUMNS: Final = (
    "video",
    "audio",
    "segments",
    "effects",
    "text_removal",
    "display_name",
    "callback_url",
    "options",
)
"""The fields of a request, without `user_id`. A field that is added to requests gets its column here."""

CSV_REF_ID: Final = "audio-1"  # how segments refer to audio that is given as one link
FILE_FIELD: Final = "file"

Row = Mapping[str, object]


async def read_batch_rows(request: Request, max_rows: int) -> list[Row]:
    """The rows of the body. Raises ApiError (400, 415, 422)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        rows = _json_rows(_decode(await request.body()))
    elif media_type == "text/csv":
        rows = _csv_rows(_decode(await request.body()), max_rows)
    elif media_type == "multipart/form-data":
        rows = _csv_rows(_decode(await _read_file(request)), max_rows)
    else:
        raise ApiError(415, "Send the batch as application/json, as text/csv, or as a CSV file in multipart/form-data.")
    if not rows:
        raise _error("request", "has no rows; send at least one", ProblemCode.REQUIRED)
    if len(rows) > max_rows:
        raise _error("request", f"has {len(rows)} rows; at most {max_rows} are allowed", ProblemCode.TOO_MANY)
    return rows


async def _read_file(request: Request) -> bytes:
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get(FILE_FIELD)
        if not isinstance(file, UploadFile):
            raise _error(FILE_FIELD, "is required: send the CSV file in this field", ProblemCode.REQUIRED)
        return await file.read()


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")  # spreadsheets begin a CSV file with a byte order mark
    except UnicodeDecodeError:
        raise ApiError(400, "The batch is not valid UTF-8.") from None


def _json_rows(text: str) -> list[Row]:
    try:
        rows = parse_json_strict(text)
    except ValueError as error:
        raise ApiError(400, f"The body {error}.") from None
    if not isinstance(rows, list):
        raise _error("request", "must be a list of job requests", ProblemCode.WRONG_TYPE)
    problems = [
        FieldError(f"rows[{number}]", "must be an object", ProblemCode.WRONG_TYPE)
        for number, row in enumerate(rows, start=1)
        if not isinstance(row, dict)
    ]
    if problems:
        raise validation_error(problems)
    return rows


def _csv_rows(text: str, max_rows: int) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        lines: list[list[str]] = []
        for line in reader:
            if any(cell.strip() for cell in line):
                lines.append(line)
            if len(lines) > max_rows:
                raise _error("request", f"has more than {max_rows} rows, which is the limit", ProblemCode.TOO_MANY)
    except csv.Error as error:
        message = f"is not valid CSV at line {reader.line_num}: {error}"
        raise _error("request", message, ProblemCode.INVALID_FORMAT) from None
    problems = [
        FieldError(f"rows[{number}]", f"has {len(line)} cells; the header has {len(header)}", ProblemCode.FILE_COUNT)
        for number, line in enumerate(lines, start=1)
        if len(line) != len(header)
    ]
    if problems:
        raise validation_error(problems)
    return [_to_request(dict(zip(header, line, strict=True))) for line in lines]


def _check_header(header: list[str]) -> None:
    known = ", ".join(CSV_COLUMNS)
    problems = [
        FieldError("header", f"names the unknown column {name[:64]!r}; there are {known}", ProblemCode.UNKNOWN_FIELD)
        for name in header
        if name not in CSV_COLUMNS
    ]
    problems += [
        FieldError("header", f"names the column {name} twice", ProblemCode.DUPLICATE)
        for name in CSV_COLUMNS
        if header.count(name) > 1
    ]
    if "video" not in header:
        problems.append(FieldError("header", f"needs the column video; there are {known}", ProblemCode.REQUIRED))
    if problems:
        raise validation_error(problems)


def _to_request(cells: Mapping[str, str]) -> Row:
    """Empty cells are left out. The cell `audio` may be one link instead of a JSON list."""
    row: dict[str, object] = {name: cell for name, cell in cells.items() if cell.strip()}
    audio = cells.get("audio", "").strip()
    if audio and not audio.startswith("["):
        row["audio"] = [{"refId": CSV_REF_ID, "source": audio}]
    return row


def _error(path: str, message: str, code: ProblemCode) -> ApiError:
    return validation_error([FieldError(path, message, code)])
