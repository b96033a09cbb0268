"""Every error in one form: problem details (RFC 9457), which say what the caller can do, nothing about our insides."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prefect.exceptions import PrefectException
from pydantic import BaseModel, Field
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from videojobs.db import UnknownJob
from videojobs.errors import FieldError, InvalidRequest, JobRequestConflict, VideoJobError

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
DEPENDENCY_ERRORS: Final = (VideoJobError, PrefectException, httpx.HTTPError, TimeoutError, NoConnectionLeft)
"""Postgres, Prefect or the storage does not answer, or is not set up yet: nothing that the caller could mend."""

RETRY_AFTER_SECONDS: Final = 60  # a restart takes seconds, a fail-over minutes; vendors repeat callbacks later

MAX_PROBLEMS: Final = 100  # in one answer: nobody reads more, and a megabyte of wrong fields would be answered with 16
_MAX_TEXT_LENGTH: Final = 2000  # of one field's path or message: our longest have 500

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # addresses hold job ids
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages name what they need themselves
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # what one user is shown, no proxy may show to another
}

log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """One thing that is wrong with what was sent."""

    field: str = Field(examples=["segments_data[0].endTime"])
    message: str = Field(examples=["must be later than the start (2 s)"])


class ProblemDetails(BaseModel):
    """An error (RFC 9457). Clients of the old system show nothing but `detail`, so it tells all."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    status_code: int = Field(description="The same, as clients of the old system know it.", examples=[422])
    detail: str = Field(
        examples=["The request has 1 problem: segments_data[0].endTime: must be later than the start (2 s)"]
    )
    problems: list[FieldProblem] = Field(default=[], description="For bad input: all that is wrong, at once.")


class ApiError(HTTPException):
    """What an endpoint will not do, in the caller's words."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        problems: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.problems = problems


def validation_error(problems: Sequence[FieldError]) -> ApiError:
    """All that is wrong with a request, of very much the beginning. The old editor shows the detail alone."""
    listed, omitted_count = problems[:MAX_PROBLEMS], len(problems) - MAX_PROBLEMS
    detail = str(InvalidRequest(listed))
    if omitted_count > 0:
        listed_text, detail = detail.partition(": ")[2], f"The request has {len(problems)} problems. "
        detail += f"The first {MAX_PROBLEMS} are listed; {omitted_count} more are not: {listed_text}"
    return ApiError(422, detail, problems=listed)


def too_many_requests(seconds: float, detail: str) -> ApiError:
    """Too much at once, for one caller."""
    return ApiError(429, detail, headers={"Retry-After": str(max(1, round(seconds)))})


def problem_response(
    status: int, detail: str, problems: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The answer."""
    field_problems = to_field_problems(problems)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "status_code": status,
        "detail": _to_bounded_utf8(detail),
    }
    return JSONResponse(
        body | ({"problems": field_problems} if field_problems else {}), status, dict(headers or {}), PROBLEM_MEDIA_TYPE
    )


def to_field_problems(problems: Sequence[FieldError]) -> list[dict[str, str]]:
    """As answers show them: names and values in them come from the client, so all of it is bounded."""
    return [
        {"field": _to_bounded_utf8(item.path), "message": _to_bounded_utf8(item.message)}
        for item in problems[:MAX_PROBLEMS]
    ]


def _to_bounded_utf8(text: str) -> str:
    """Half a surrogate pair is text in JSON."""
    short = text if len(text) <= _MAX_TEXT_LENGTH else f"{text[:_MAX_TEXT_LENGTH]}..."
    return short.encode("utf-8", "replace").decode()


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors that an endpoint can give, for the OpenAPI document."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {"description": _DESCRIPTIONS[status], "content": content}
        if status in (429, 503):
            found[status]["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return found


_DESCRIPTIONS: Final = {
    400: "The body could not be read, or broke off.",
    401: "No token, or one that is not valid.",
    403: "The token does not allow this.",
    404: "There is no such thing, or it is somebody else's.",
    405: "Not this method.",
    408: "The body came too slowly.",
    409: "It does not fit how things stand: the detail says why.",
    413: "The body is too large.",
    415: "The body is not of a type that is taken here.",
    422: "What was sent breaks rules; `problems` lists all of them.",
    429: "Too many requests; come again after `Retry-After` seconds.",
    503: "A part that this stands on is away; come again after `Retry-After` seconds. Nothing is lost.",
}


# ---- handlers ----------------------------------------------------------------------------------------------


def add_exception_handlers(app: FastAPI) -> None:
    """Every way in which a request can go wrong."""
    app.add_exception_handler(StarletteHTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_request_validation)
    app.add_exception_handler(InvalidRequest, _handle_invalid_request)
    app.add_exception_handler(JobRequestConflict, _handle_request_conflict)
    app.add_exception_handler(UnknownJob, _handle_unknown_job)
    app.add_exception_handler(ClientDisconnect, _handle_client_disconnect)
    for error in DEPENDENCY_ERRORS:
        app.add_exception_handler(error, service_unavailable)
    app.add_exception_handler(Exception, _handle_unexpected_error)


_DEFAULT_DETAILS: Final = {404: "There is nothing at this address.", 405: "This address does not take that method."}


async def _handle_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  # what it is registered for
    problems = error.problems if isinstance(error, ApiError) else ()
    plain = error.detail == HTTPStatus(error.status_code).phrase
    detail = _DEFAULT_DETAILS.get(error.status_code, error.detail) if plain else error.detail
    headers = error.headers or {}
    return problem_response(
        error.status_code,
        detail,
        problems,
        {**headers, "Allow": _allowed_methods(request)} if "Allow" in headers else headers,
    )


_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def _allowed_methods(request: Request) -> str:
    """What this address takes. Of an address with two endpoints, Starlette names the method of the first only."""
    asked = ({**request.scope, "method": method} for method in _METHODS)
    found = [any(route.matches(scope)[0] is Match.FULL for route in request.app.routes) for scope in asked]
    return ", ".join(method for method, is_taken in zip(_METHODS, found, strict=True) if is_taken)


async def _handle_request_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    api_error = validation_error([FieldError(_field_path(item["loc"]), str(item["msg"])) for item in error.errors()])
    return problem_response(api_error.status_code, api_error.detail, api_error.problems)


def _field_path(loc: Sequence[int | str]) -> str:
    """`("body", "etags", 0)` as `etags[0]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in loc[1:])
    return "".join(steps).removeprefix(".") or str(loc[0])


async def _handle_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRequest)  # noqa: S101
    api_error = validation_error(error.errors)
    return problem_response(api_error.status_code, api_error.detail, api_error.problems)


async def _handle_request_conflict(_request: Request, error: Exception) -> Response:
    return problem_response(409, str(error))


async def _handle_unknown_job(_request: Request, _error: Exception) -> Response:
    return problem_response(404, "There is no such job.")


async def _handle_client_disconnect(_request: Request, _error: Exception) -> Response:
    return problem_response(400, "The body broke off.")  # as a rule nobody is there any more to read it


async def service_unavailable(_request: Request, error: Exception) -> Response:
    """What went wrong is for our log; the caller learns when to call again."""
    log.warning("Asked to come again: %s: %s", type(error).__name__, error)
    return problem_response(
        503, "This cannot be done now; come again later.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
    )


async def _handle_unexpected_error(_request: Request, error: Exception) -> Response:
    log.error("A request ended in an error that nobody foresaw", exc_info=error)
    return problem_response(500, "Something went wrong here.", headers=SECURITY_HEADERS)
