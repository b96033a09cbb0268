"""Sign-in: a pasted token is kept in a cookie that no script can read and no other site can send."""

import asyncio
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from deployments.api.auth import COOKIE_NAME, authenticate, check_origin, client_address
from deployments.api.dependencies import AppStateDep
from deployments.api.pages.page_route import SEE_OTHER, PageRoute
from deployments.api.pages.templating import render_page
from deployments.api.request_body import read_body
from videojobs.settings import DAY_SECONDS

_FORM_BYTES: Final = 16 * 1024  # a token of 200 characters and the path of one of our pages
_FORM_SECONDS: Final = 5  # it is one packet; the client is not authenticated yet
_COOKIE_SECONDS: Final = 30 * DAY_SECONDS  # a month; a revoked token is invalid at once

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def login_form(request: Request, next: str = "/jobs") -> Response:  # noqa: A002  # the name of the query parameter
    return render_page(request, "login.html", next=safe_redirect_path(next), problem="")


@router.post("/login", dependencies=[Depends(check_origin)])
async def login(request: Request, state: AppStateDep) -> Response:
    """Set the cookie if the token is valid; otherwise show the form again with the reason."""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            body = await read_body(request, _FORM_BYTES)
    except TimeoutError as error:
        raise HTTPException(408, "The form arrived too slowly.") from error
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    next_path = safe_redirect_path(form.get("next", "/jobs"))
    text = form.get("token", "").strip()
    try:
        await authenticate(state, text, client_address(request))
    except HTTPException as error:
        is_invalid = error.status_code == 401
        why = "This token is not valid. Copy all of it, or ask for a new one." if is_invalid else str(error.detail)
        return render_page(request, "login.html", error.status_code, next=next_path, problem=why)
    answer = RedirectResponse(next_path, SEE_OTHER)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE_NAME, text, max_age=_COOKIE_SECONDS, httponly=True, secure=secure, samesite="strict")
    return answer


@router.post("/logout", dependencies=[Depends(check_origin)])
async def logout() -> Response:
    answer = RedirectResponse("/login", SEE_OTHER)
    answer.delete_cookie(COOKIE_NAME, httponly=True, samesite="strict")
    return answer


def safe_redirect_path(text: str) -> str:
    """Where to go after sign-in: a path of this site, whatever the link contained."""
    parts = urlsplit(text.replace("\\", "/"))  # browsers treat them alike
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return text if ours else "/jobs"
