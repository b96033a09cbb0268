"""All errors as problem details (RFC 9457): what the caller can do, and nothing about internals."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prefect.exceptions import PrefectException
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from videojobs.errors import FieldError, InvalidRequest, JobRequestConflict, UnknownJob, VideoJobError
from videojobs.requests.parsing import problem_code

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
DEPENDENCY_ERRORS: Final = (VideoJobError, PrefectException, httpx.HTTPError, TimeoutError, NoConnectionLeft)
"""Postgres, Prefect or the storage does not respond or is not set up yet: the caller can only retry."""

RETRY_AFTER_SECONDS: Final = 60  # a restart takes seconds, a fail-over minutes; vendors repeat callbacks later

MAX_PROBLEMS: Final = 100  # in one response: a megabyte of wrong fields would otherwise give a response of 16 MB
_MAX_TEXT_LENGTH: Final = 2000  # characters of a path or message; our longest have 500
_MAX_REASON_LENGTH: Final = 600  # characters of the first problem in `detail`, which clients show in one box

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # addresses hold job ids
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # pages set their own
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # proxies must not show one user's responses to another
}

log = logging.getLogger(__name__)


_DEFAULT_CODES: Final = {
    400: "malformed_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "body_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: InvalidRequest.code,
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal_error",
    503: "service_unavailable",
}


class ApiError(HTTPException):
    """An error response. `code` is its kind for programs; by default, that of the status."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        problems: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.problems = problems


def validation_error(problems: Sequence[FieldError]) -> ApiError:
    """A 422 with all problems. `detail` gives the first one and counts the others: old clients show nothing else."""
    first = _to_bounded_utf8(str(problems[0]), _MAX_REASON_LENGTH).removesuffix(".")
    more = len(problems) - 1
    count = "" if more == 0 else " There is 1 more problem." if more == 1 else f" There are {more} more problems."
    return ApiError(422, f"{first}.{count}", problems=problems)


def too_many_requests(seconds: float, detail: str) -> ApiError:
    """A 429. The caller may retry after `seconds`."""
    return ApiError(429, detail, headers={"Retry-After": str(max(1, round(seconds)))})


def problem_response(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    problems: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for an error."""
    body = problem_body(status, _to_bounded_utf8(detail), code)
    if problems:
        body["problems"] = to_field_problems(problems)
        body["omitted_problems"] = max(0, len(problems) - MAX_PROBLEMS)
    return JSONResponse(body, status, dict(headers or {}), PROBLEM_MEDIA_TYPE)


def problem_body(status: int, detail: str, code: str | None = None) -> dict[str, Any]:
    """The fields that every error response has."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "status_code": status,
        "code": code or _DEFAULT_CODES.get(status, "error"),
        "detail": detail,
    }


def to_field_problems(problems: Sequence[FieldError]) -> list[dict[str, str]]:
    """The first `MAX_PROBLEMS` problems as JSON. Names and values in them come from the client: they are shortened."""
    return [
        {"field": _to_bounded_utf8(item.path), "code": item.code, "message": _to_bounded_utf8(item.message)}
        for item in problems[:MAX_PROBLEMS]
    ]


def _to_bounded_utf8(text: str, max_length: int = _MAX_TEXT_LENGTH) -> str:
    """JSON text may hold half a surrogate pair, which UTF-8 cannot."""
    short = text if len(text) <= max_length else f"{text[:max_length]}..."
    return short.encode("utf-8", "replace").decode()


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """An endpoint's errors, for the OpenAPI document."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        found[status] = {"description": _DESCRIPTIONS[status], "content": content}
        if status in (429, 503):
            found[status]["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return found


_DESCRIPTIONS: Final = {
    400: "The body cannot be read or is incomplete.",
    401: "The token is missing or invalid.",
    403: "The token does not allow this.",
    404: "It does not exist, or belongs to another user.",
    405: "The method is not allowed.",
    408: "The body arrived too slowly.",
    409: "Conflicts with the job's current state; see `detail`.",
    413: "The body is too large.",
    415: "The media type of the body is not supported.",
    422: "The request is invalid; `problems` lists its mistakes.",
    429: "Too many requests; retry after `Retry-After` seconds.",
    503: "A dependency is unavailable; retry after `Retry-After` seconds. Nothing is lost.",
}


# ---- handlers ----------------------------------------------------------------------------------------------


def add_exception_handlers(app: FastAPI) -> None:
    """Register a handler for each kind of error."""
    app.add_exception_handler(StarletteHTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_request_validation)
    app.add_exception_handler(InvalidRequest, _handle_invalid_request)
    app.add_exception_handler(JobRequestConflict, _handle_request_conflict)
    app.add_exception_handler(UnknownJob, _handle_unknown_job)
    app.add_exception_handler(ClientDisconnect, _handle_client_disconnect)
    for error in DEPENDENCY_ERRORS:
        app.add_exception_handler(error, service_unavailable)
    app.add_exception_handler(Exception, _handle_unexpected_error)


_DEFAULT_DETAILS: Final = {404: "This address does not exist.", 405: "This address does not allow the method."}


async def _handle_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  # what it is registered for
    code, problems = (error.code, error.problems) if isinstance(error, ApiError) else (None, ())
    plain = error.detail == HTTPStatus(error.status_code).phrase
    detail = _DEFAULT_DETAILS.get(error.status_code, error.detail) if plain else error.detail
    headers = error.headers or {}
    if "Allow" in headers:
        headers = {**headers, "Allow": _allowed_methods(request)}
    return problem_response(error.status_code, detail, code=code, problems=problems, headers=headers)


_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


def _allowed_methods(request: Request) -> str:
    """All methods of an address. Starlette lists those of its first endpoint only.

    An address without parameters has the documented ones only: `/jobs/{job_id}` fits `/jobs/direct-process`, too.
    """
    scopes = ((method, {**request.scope, "method": method}) for method in _METHODS)
    routes = request.app.routes
    found = [method for method, scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)]
    documented = {method.upper() for method in request.app.openapi()["paths"].get(request.url.path, ())}
    return ", ".join(method for method in found if not documented or method in documented)


async def _handle_request_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems = [
        FieldError(_field_path(item["loc"]), str(item["msg"]), problem_code(item["type"])) for item in error.errors()
    ]
    api_error = validation_error(problems)
    return problem_response(api_error.status_code, api_error.detail, problems=api_error.problems)


def _field_path(loc: Sequence[int | str]) -> str:
    """`("body", "etags", 0)` as `etags[0]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in loc[1:])
    return "".join(steps).removeprefix(".") or str(loc[0])


async def _handle_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRequest)  # noqa: S101
    api_error = validation_error(error.errors)
    return problem_response(api_error.status_code, api_error.detail, problems=api_error.problems)


async def _handle_request_conflict(_request: Request, error: Exception) -> Response:
    return problem_response(409, str(error), code=JobRequestConflict.code)


async def _handle_unknown_job(_request: Request, _error: Exception) -> Response:
    return problem_response(404, "This job does not exist.", code=UnknownJob.code)


async def _handle_client_disconnect(_request: Request, _error: Exception) -> Response:
    return problem_response(400, "The connection was closed before the end of the body.")


async def service_unavailable(_request: Request, error: Exception) -> Response:
    """The cause goes to the log; the caller learns when to retry."""
    log.warning("Returned 503: %s: %s", type(error).__name__, error)
    return problem_response(
        503, "Temporarily unavailable; retry later.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
    )


async def _handle_unexpected_error(_request: Request, error: Exception) -> Response:
    log.error("Unhandled exception", exc_info=error)
    return problem_response(500, "Internal error.", headers=SECURITY_HEADERS)
