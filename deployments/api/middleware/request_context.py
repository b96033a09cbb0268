"""The current request, so that every log line can name it and its job."""

import re
import secrets
from contextvars import ContextVar
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

_JOB_ID_PATTERN: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)  # safe in a log line: clients may send any id

_scope: ContextVar[Scope | None] = ContextVar("request_scope", default=None)


def bind_request(scope: Scope) -> None:
    """Make this the current request of the task."""
    scope["request_id"] = secrets.token_hex(6)
    _scope.set(scope)


def bind_job(job_id: str) -> None:
    """Name the job that the current request is about."""
    if (scope := _scope.get()) is not None:
        scope["job_id"] = job_id


def request_id() -> str | None:
    """A random id that the log lines of one request share."""
    scope = _scope.get()
    return None if scope is None else scope["request_id"]


def base_url() -> str:
    """Scheme and host to which the current request was sent, with a slash at the end; "/" without a request."""
    scope = _scope.get()
    return "/" if scope is None else str(Request(scope).base_url)


def job_id() -> str | None:
    """The job of the current request, as its address or `bind_job` names it."""
    scope = _scope.get() or {}
    found = scope.get("job_id") or scope.get("path_params", {}).get("job_id")
    return found if isinstance(found, str) and _JOB_ID_PATTERN.fullmatch(found) else None


def route_template(scope: Scope) -> str:
    """The path with parameter names instead of values, which may be tokens or signatures."""
    return getattr(scope.get("route"), "path", None) or "(none)"
