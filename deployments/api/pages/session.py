"""Signing in: a token, pasted once, is kept in a cookie that no script can read and no other site can send."""

import asyncio
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from deployments.api.auth import COOKIE_NAME, authenticate, check_origin, client_address
from deployments.api.dependencies import AppStateDep
from deployments.api.pages.page_route import SEE_OTHER, PageRoute
from deployments.api.pages.templating import render_page
from deployments.api.routes.callbacks import read_body

_FORM_BYTES: Final = 16 * 1024  # a token of 200 letters, and the address of one of our pages
_FORM_SECONDS: Final = 5  # it is one packet; nobody has shown a token yet
_COOKIE_SECONDS: Final = 30 * 86_400  # a month; a token that is revoked opens nothing before that either

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def login_form(request: Request, next: str = "/jobs") -> Response:  # noqa: A002  # its name in addresses
    return render_page(request, "login.html", next=safe_redirect_path(next), problem="")


@router.post("/login", dependencies=[Depends(check_origin)])
async def login(request: Request, state: AppStateDep) -> Response:
    """Set the cookie, if the token is one; else ask again, and say why."""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            body = await read_body(request, _FORM_BYTES)
    except TimeoutError as error:
        raise HTTPException(408, "The form did not come in time.") from error
    form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    next_path = safe_redirect_path(form.get("next", "/jobs"))
    text = form.get("token", "").strip()
    try:
        await authenticate(state, text, client_address(request))
    except HTTPException as error:
        is_not_401 = error.status_code != 401
        why = str(error.detail) if is_not_401 else "This token is not valid. Copy all of it, or ask for a new one."
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
    """Where to go after signing in: a path of ours, whatever the link said that led here."""
    parts = urlsplit(text.replace("\\", "/"))  # browsers take the one for the other
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return text if ours else "/jobs"
