"""Who calls, and what that token allows. Endpoints ask for a `Reader`, a `Submitter` or an `Admin`."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from deployments.gateway.front import Front, TheFront
from deployments.gateway.problems import Refused, wait_and_repeat
from videojobs.ledger import UnknownJob, VideoJob
from videojobs.ledger.tokens import ApiToken, Scope
from videojobs.request import OWNER_ID

COOKIE: Final = "token"
_TOKEN: Final = re.compile(r"[\w.~+/=-]{8,200}", re.ASCII)  # what a bearer token may look like (RFC 6750)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_bearer = HTTPBearer(auto_error=False, description="A token of `python -m deployments.gateway.tokens create`.")
_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, description="The same token, as the pages set it. Changes need a same-origin Origin."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is."""

    token: ApiToken

    @property
    def user_id(self) -> str:
        return self.token.user_id

    @property
    def is_admin(self) -> bool:
        return self.token.allows(Scope.ADMIN)

    @property
    def owner(self) -> str | None:
        """Whose jobs may be seen; None for everybody's."""
        return None if self.is_admin else self.user_id

    @property
    def actor(self) -> str:
        """As events name it."""
        return f"{self.user_id} (token {self.token.id})"


async def caller(
    request: Request,
    front: TheFront,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    cookie: Annotated[str | None, Security(_cookie)],
) -> Caller:
    """Raises a refusal: 401, 403 for a change that another site sent, or 429."""
    if "authorization" not in request.headers and cookie is not None:
        check_origin(request)
    text = bearer.credentials if bearer else None if "authorization" in request.headers else cookie
    found = await identified(front, text, address_of(request))
    if wait := front.requests.take(found.token.id):
        raise wait_and_repeat(wait, "Too many requests with this token.")
    return found


async def identified(front: Front, text: str | None, address: str) -> Caller:
    """Whose token this is. Who guesses is slowed down by its address, before the job database is asked."""
    if wait := front.failures.wait(address):
        raise wait_and_repeat(wait, "Too many tokens from this address that are not valid.")
    token = None
    if text is not None and _TOKEN.fullmatch(text):
        token = await (await front.backing.ledger()).token(text)
    if token is None:
        if text is not None:
            front.failures.take(address)
        raise Refused(401, "Send a valid token: `Authorization: Bearer ...`.", headers={"WWW-Authenticate": "Bearer"})
    return Caller(token)


def address_of(request: Request) -> str:
    """Where it comes from: of the proxy's word for it, uvicorn believes that of a proxy on this machine."""
    return request.client.host if request.client else "unknown"


def check_origin(request: Request) -> None:
    """A browser sends the cookie along whoever made it ask; the Origin says who did. Raises a refusal."""
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("origin", "")
    if not origin or origin.partition("://")[2] != request.headers.get("host"):
        raise Refused(403, "Changes with a cookie are taken from our own pages only.")


def _with(scope: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    async def allowed(who: Annotated[Caller, Depends(caller)]) -> Caller:
        if not who.token.allows(scope):
            raise Refused(403, f"This token does not have the scope `{scope}`.")
        return who

    return allowed


Reader = Annotated[Caller, Depends(_with(Scope.READ))]
Submitter = Annotated[Caller, Depends(_with(Scope.SUBMIT))]
Admin = Annotated[Caller, Depends(_with(Scope.ADMIN))]

JobId = Annotated[str, Path(description="As the answer to the request named it.", examples=["7d0c5f0e"])]


async def owned(front: Front, who: Caller, job_id: str) -> VideoJob:
    """The job, if this caller may see it. Raises UnknownJob, whether there is none or it is somebody else's."""
    if not re.fullmatch(OWNER_ID, job_id):
        raise UnknownJob("there is no such job")
    return await (await front.backing.ledger()).job_of(who.owner, job_id)
