"""Authentication by tokens, and their scopes. Endpoints depend on a `Reader`, a `Submitter` or an `Admin`."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import ApiError, too_many_requests
from deployments.api.partner_tokens import PartnerToken, PartnerTokenRejected, PartnerTokenVerifier
from videojobs.db import VideoJob
from videojobs.db.tokens import ApiToken, Scope
from videojobs.errors import UnknownJob
from videojobs.requests.models import ID_PATTERN

COOKIE_NAME: Final = "token"
_TOKEN_PATTERN: Final = re.compile(r"[\w.~+/=-]{8,200}", re.ASCII)  # RFC 6750
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(
    auto_error=False,
    description="A token of `python -m deployments.api.tokens create`, or one that a partner signs (JWT, RS256).",
)
_cookie = APIKeyCookie(
    name=COOKIE_NAME,
    auto_error=False,
    description="The same token, set by the pages. Changes need a same-origin Origin header.",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, by its token."""

    token: ApiToken | PartnerToken

    @property
    def user_id(self) -> str:
        return self.token.user_id

    @property
    def is_admin(self) -> bool:
        return self.token.allows(Scope.ADMIN)

    @property
    def owner(self) -> str | None:
        """The user whose jobs the caller may see; None for all users."""
        return None if self.is_admin else self.user_id

    @property
    def actor(self) -> str:
        """The caller's name in job events."""
        return f"{self.user_id} (token {self.token.id})"


async def get_principal(
    request: Request,
    state: AppStateDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    cookie: Annotated[str | None, Security(_cookie)],
) -> Principal:
    """Raises ApiError: 401, 403 for a cross-site change, or 429."""
    if "authorization" not in request.headers and cookie is not None:
        check_origin(request)
    token_text = bearer.credentials if bearer else None if "authorization" in request.headers else cookie
    principal = await authenticate(state, token_text, client_address(request))
    if wait := state.request_buckets.take(principal.token.id):
        raise too_many_requests(wait, "Too many requests with this token.")
    return principal


async def authenticate(state: AppState, token_text: str | None, address: str) -> Principal:
    """The token's principal. Guessing is rate-limited by address, before the database is queried.

    Raises ApiError, and PartnerKeysUnavailable.
    """
    if wait := state.auth_failure_buckets.seconds_until_allowed(address):
        raise too_many_requests(wait, "Too many invalid tokens from this address.")
    token: ApiToken | PartnerToken | None = None
    if token_text is not None and _TOKEN_PATTERN.fullmatch(token_text):
        token = await (await state.services.repository()).find_token(token_text)
    elif token_text is not None and state.partner_tokens and state.partner_tokens.looks_like_one(token_text):
        token = await _verify_partner_token(state, state.partner_tokens, token_text, address)
    if token is None:
        if token_text is not None:
            state.auth_failure_buckets.take(address)
        raise ApiError(401, "Send a valid token: `Authorization: Bearer ...`.", headers={"WWW-Authenticate": "Bearer"})
    return Principal(token)


async def _verify_partner_token(
    state: AppState, verifier: PartnerTokenVerifier, token_text: str, address: str
) -> PartnerToken:
    """A genuine token that has expired is no guess: a page that polls with it must not block its whole office."""
    try:
        return await verifier.verify(token_text)
    except PartnerTokenRejected as error:
        if error.is_guess:
            state.auth_failure_buckets.take(address)
        raise


def client_address(request: Request) -> str:
    """The client's address. uvicorn trusts `X-Forwarded-For` of a proxy on this machine only."""
    return request.client.host if request.client else "unknown"


def check_origin(request: Request) -> None:
    """Browsers send the cookie with cross-site requests, too; the Origin tells them apart. Raises ApiError (403)."""
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("origin", "")
    if not origin or origin.partition("://")[2] != request.headers.get("host"):
        raise ApiError(403, "With a cookie, changes are accepted from our own pages only.")


def _require_scope(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    async def dependency(principal: Annotated[Principal, Depends(get_principal)]) -> Principal:
        if not principal.token.allows(scope):
            raise ApiError(403, f"This token does not have the scope `{scope}`.")
        return principal

    return dependency


Reader = Annotated[Principal, Depends(_require_scope(Scope.READ))]
Submitter = Annotated[Principal, Depends(_require_scope(Scope.SUBMIT))]
Admin = Annotated[Principal, Depends(_require_scope(Scope.ADMIN))]

JobId = Annotated[str, Path(description="As the response to the request returned it.", examples=["7d0c5f0e"])]


async def get_owned_job(state: AppState, principal: Principal, job_id: str) -> VideoJob:
    """The job, if the caller may see it. Raises UnknownJob if it does not exist or belongs to another user."""
    if not re.fullmatch(ID_PATTERN, job_id):
        raise UnknownJob("this job does not exist")
    return await (await state.services.repository()).get_job_for_user(principal.owner, job_id)
