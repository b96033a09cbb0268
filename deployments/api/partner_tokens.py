"""Tokens that a partner signs for its own users: JSON Web Tokens with RS256 (RFC 7519, 7518).

Only RS256 is accepted, whatever a token's header says: with another algorithm, a token could be signed with the public
key as a secret (HS256), or not at all (`none`).
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from deployments.api.errors import ApiError
from deployments.api.partner_keys import FixedKey, PartnerKeys, PublishedKeys, UnknownKey
from deployments.api.settings import PartnerTokenSettings
from videojobs.db.tokens import Scope
from videojobs.requests.models import ID_PATTERN, PATTERN_MESSAGES

_JWT_PATTERN: Final = re.compile(r"[\w-]{10,2000}\.[\w-]{10,8000}\.[\w-]{300,1400}", re.ASCII)
"""Header, claims and signature in Base64. The signature has the size of the key: 2048 to 8192 bits."""

_ALGORITHM: Final = "RS256"
_REQUIRED_CLAIMS: Final = ("exp", "iss", "aud", "sub")
_HOUR_SECONDS: Final = 3600
_ANY_TOKEN: Final = "*"  # noqa: S105  # in the settings: every token


_REASONS: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "it has expired; get a new one",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuerError: "its `iss` is not the issuer that is accepted here",
    jwt.InvalidAudienceError: "its `aud` is not this service",
}
"""Of tokens whose signature is right."""


class PartnerTokenRejected(ApiError):
    """The token is not valid. `is_guess`: it was not signed by the partner, so it may be an attack."""

    def __init__(self, reason: str, *, is_guess: bool) -> None:
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        super().__init__(401, f"This token is not valid: {reason}.", headers=headers)
        self.is_guess = is_guess


@dataclass(frozen=True, slots=True)
class PartnerToken:
    """A valid token."""

    issuer: str
    user_id: str
    scopes: frozenset[Scope]

    @property
    def id(self) -> str:
        """The same for all tokens of a user: they are renewed every hour, and share one rate limit."""
        return f"{self.issuer}#{self.user_id}"

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


class PartnerTokenVerifier:
    """Verifies tokens by the settings."""

    def __init__(self, settings: PartnerTokenSettings, keys: PartnerKeys) -> None:
        self._settings = settings
        self._keys = keys

    @classmethod
    def from_settings(cls, settings: PartnerTokenSettings) -> "PartnerTokenVerifier | None":
        """None if no partner's tokens are accepted."""
        if settings.public_key is not None:
            return cls(settings, FixedKey(settings.public_key))
        return cls(settings, PublishedKeys(settings)) if settings.jwks_url is not None else None

    @staticmethod
    def looks_like_one(text: str) -> bool:
        """Whether the text has the form of such a token. Our own tokens are shorter, and have no dots."""
        return _JWT_PATTERN.fullmatch(text) is not None

    async def verify(self, text: str) -> PartnerToken:
        """Raises PartnerTokenRejected (401), ApiError (403), PartnerKeysUnavailable."""
        try:
            key = await self._keys.find(_key_id(text))
            claims = self._decode(text, key)
        except UnknownKey as error:
            raise PartnerTokenRejected(str(error), is_guess=True) from None
        except jwt.MissingRequiredClaimError as error:
            raise PartnerTokenRejected(f"it has no `{error.claim}`", is_guess=False) from None
        except tuple(_REASONS) as error:
            raise PartnerTokenRejected(_REASONS[type(error)], is_guess=False) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise PartnerTokenRejected("its signature or form is wrong", is_guess=True) from None
        seconds_left = int(claims["exp"]) - time.time()
        if seconds_left > self._settings.max_lifetime_hours * _HOUR_SECONDS + self._settings.leeway_seconds:
            hours = f"{self._settings.max_lifetime_hours:g}"
            raise PartnerTokenRejected(f"it lasts for more than {hours} hours", is_guess=False)
        return self._to_token(claims)

    def _decode(self, text: str, key: Any) -> Mapping[str, Any]:
        settings = self._settings
        return jwt.decode(
            text,
            key,
            algorithms=[_ALGORITHM],
            issuer=settings.issuer,
            audience=settings.audience,
            leeway=settings.leeway_seconds,
            options={"require": list(_REQUIRED_CLAIMS)},
        )

    def _to_token(self, claims: Mapping[str, Any]) -> PartnerToken:
        user_id = claims["sub"]
        if not re.fullmatch(ID_PATTERN, user_id):
            raise ApiError(403, f"The `sub` of this token cannot be a user here: it {PATTERN_MESSAGES[ID_PATTERN]}.")
        scopes = self._scopes_of(claims)
        if not scopes:
            raise ApiError(403, f"The claim `{self._settings.scope_claim}` of this token allows nothing here.")
        return PartnerToken(claims["iss"], user_id, scopes)

    def _scopes_of(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        value = claims.get(self._settings.scope_claim)
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        known = self._settings.scopes
        names = [_ANY_TOKEN, *(word for word in words if isinstance(word, str))]
        return frozenset(scope for name in names for scope in known.get(name, ()))


def _key_id(text: str) -> str | None:
    """The `kid` of the header, which is not verified yet. Raises jwt.PyJWTError."""
    header = jwt.get_unverified_header(text)
    if header.get("alg") != _ALGORITHM:
        raise jwt.InvalidAlgorithmError
    if "crit" in header:  # extensions that a verifier must understand (RFC 7515, 4.1.11)
        raise jwt.InvalidTokenError
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None
