"""Routes of pages: errors become pages, and users without a session are sent to the sign-in."""

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from deployments.api.errors import DEPENDENCY_ERRORS, RETRY_AFTER_SECONDS
from deployments.api.pages.templating import render_page
from videojobs.errors import UnknownJob

SEE_OTHER: Final = 303  # after a form, so that a reload does not send it again


class PageRoute(APIRoute):
    """Responds with HTML instead of problem details."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_pages(request: Request) -> Response:
            try:
                return await handle(request)
            except (UnknownJob, RequestValidationError):
                return _not_found_page(request)
            except HTTPException as error:
                return _error_page(request, error)
            except DEPENDENCY_ERRORS:
                return _unavailable_page(request)

        return with_pages


def _error_page(request: Request, error: HTTPException) -> Response:
    if error.status_code == 401:
        requested_path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        next_path = requested_path if request.method == "GET" else "/jobs"
        return RedirectResponse(f"/login?{urlencode({'next': next_path})}", SEE_OTHER)
    if error.status_code == 404:
        return _not_found_page(request)
    answer = _message_page(request, error.status_code, "This is not possible", str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _not_found_page(request: Request) -> Response:
    """The same page for another user's job and for one that does not exist."""
    return _message_page(request, 404, "Not found", "The address is wrong, or the job was deleted.")


def _unavailable_page(request: Request) -> Response:
    answer = _message_page(
        request, 503, "Temporarily unavailable", "Running jobs continue and nothing is lost. Try again in a minute."
    )
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _message_page(request: Request, status: int, title: str, text: str) -> Response:
    return render_page(request, "message.html", status, title=title, text=text, link="/jobs", link_text="To the jobs")
