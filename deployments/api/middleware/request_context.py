"""Which request this code works for, so that whatever is logged on the way can say so."""

import re
import secrets
from contextvars import ContextVar
from typing import Final

from starlette.types import Scope

_JOB_ID_PATTERN: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)  # as they go into a log line; anybody may ask for any

_scope: ContextVar[Scope | None] = ContextVar("request_scope", default=None)


def bind_request(scope: Scope) -> None:
    """From here on, this task works for the request."""
    scope["request_id"] = secrets.token_hex(6)
    _scope.set(scope)


def bind_job(job_id: str) -> None:
    """The request turned out to be about this job."""
    if (scope := _scope.get()) is not None:
        scope["job_id"] = job_id


def request_id() -> str | None:
    """Made up here: it ties the lines of one request together."""
    scope = _scope.get()
    return None if scope is None else scope["request_id"]


def job_id() -> str | None:
    """The job that the request is about, as its address names it or as was found out."""
    scope = _scope.get() or {}
    found = scope.get("job_id") or scope.get("path_params", {}).get("job_id")
    return found if isinstance(found, str) and _JOB_ID_PATTERN.fullmatch(found) else None


def route_template(scope: Scope) -> str:
    """The address with the names of its parts in place of their values: tokens and signatures are such values."""
    return getattr(scope.get("route"), "path", None) or "(none)"
