"""The public keys of a partner that signs tokens: one from the settings, or a set that the partner publishes."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from threading import Event
from time import monotonic
from typing import Any, Final, Protocol

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from deployments.api.settings import MIN_RSA_BITS, PartnerTokenSettings
from videojobs.errors import InvalidMedia, RetryableError
from videojobs.media.pinned_transport import Resolver, resolve, ssrf_safe_client
from videojobs.media.transfer_pace import TransferWatchdog
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import LinkSettings

_FETCH_SECONDS: Final = 5  # users wait for the answer; key sets have a few kB and are served from memory
_MAX_JWKS_BYTES: Final = 64 * 1024  # a set of 50 keys
_MAX_KEYS: Final = 50  # partners publish two or three
_MIN_REFRESH_SECONDS: Final = 30  # tokens with made-up key ids must not turn into a stream of requests to the partner

log = logging.getLogger(__name__)


class PartnerKeysUnavailable(RetryableError):
    """The partner's keys cannot be fetched, and no recent ones are known."""

    code = "partner_keys_unavailable"


class UnknownKey(Exception):
    """No key fits the token. The message is for the client."""


class PartnerKeys(Protocol):
    """Finds the key of a token."""

    async def find(self, key_id: str | None) -> RSAPublicKey | str:
        """A key, or its PEM text. Raises UnknownKey, PartnerKeysUnavailable."""


class FixedKey:
    """One key. Key ids of tokens do not matter."""

    def __init__(self, pem: str) -> None:
        self._pem = pem

    async def find(self, key_id: str | None) -> RSAPublicKey | str:
        return self._pem


class PublishedKeys:
    """The keys at `jwks_url`, cached. Concurrent callers share one request."""

    def __init__(self, settings: PartnerTokenSettings, resolver: Resolver = resolve) -> None:
        self._settings = settings
        self._resolver = resolver
        self._keys: Mapping[str | None, RSAPublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")  # monotonic
        self._lock = asyncio.Lock()
        self._is_failing = False  # whether the latest attempt failed
        self._attempt: asyncio.Task[None] | None = None  # in the background

    async def find(self, key_id: str | None) -> RSAPublicKey | str:
        await self._refresh_expired()
        if self._age > self._settings.jwks_cache_seconds + self._settings.jwks_max_stale_seconds:
            raise PartnerKeysUnavailable("the partner's keys cannot be fetched")
        if (key := self._get(key_id)) is None:  # the partner may have added it since
            await self._refresh_if(lambda: self._get(key_id) is None)
            key = self._get(key_id)
        if key is None and key_id is None:
            raise UnknownKey("its header has no `kid`, and its issuer has several keys")
        if key is None:
            raise UnknownKey("its issuer has no key with the `kid` of its header")
        return key

    async def _refresh_expired(self) -> None:
        """During an outage of the partner nobody waits for its time-out: the next attempt runs beside the requests."""
        if not self._is_expired():
            return
        if self._is_failing and self._keys:
            if self._attempt is None or self._attempt.done():
                self._attempt = asyncio.create_task(self._refresh_if(self._is_expired))
        else:
            await self._refresh_if(self._is_expired)

    def _is_expired(self) -> bool:
        return self._age > self._settings.jwks_cache_seconds

    @property
    def _age(self) -> float:
        return monotonic() - self._fetched_at

    def _get(self, key_id: str | None) -> RSAPublicKey | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(key_id)

    async def _refresh_if(self, is_needed: Callable[[], bool]) -> None:
        """Fetch the keys, unless that has just been tried. Whoever waits for the lock finds them fetched."""
        if not is_needed():
            return
        async with self._lock:
            if not is_needed() or monotonic() - self._tried_at < _MIN_REFRESH_SECONDS:
                return
            self._tried_at = monotonic()
            stop = Event()
            try:
                content = await asyncio.to_thread(self._fetch, stop)
                self._keys = _parse_key_set(content)
            except asyncio.CancelledError:
                self._tried_at = float("-inf")  # the next caller tries
                raise
            except (httpx.HTTPError, RetryableError, InvalidMedia, ValueError) as error:
                self._is_failing = True
                log.warning("The keys of VIDEOJOBS_JWT_JWKS_URL cannot be fetched: %s: %s", type(error).__name__, error)
            else:
                self._is_failing, self._fetched_at = False, monotonic()
            finally:
                stop.set()  # if this request was cancelled, the thread ends soon

    def _fetch(self, stop: Event) -> bytes:
        allow_private = self._settings.jwks_allow_private
        policy = UrlPolicy(allow_private=allow_private, allow_http=allow_private)
        limits = LinkSettings(connect_seconds=_FETCH_SECONDS, base_seconds=_FETCH_SECONDS, min_bytes_per_second=0)
        watchdog = TransferWatchdog(limits, _MAX_JWKS_BYTES, stop)
        content = b""
        with (
            ssrf_safe_client(policy, watchdog, resolver=self._resolver) as client,
            client.stream("GET", str(self._settings.jwks_url), headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"the status is {response.status_code}")
            for chunk in response.iter_raw():
                watchdog.add_received(len(chunk))
                content += chunk
                if len(content) > _MAX_JWKS_BYTES:
                    raise ValueError(f"the answer has more than {_MAX_JWKS_BYTES} bytes")
        return content


def _parse_key_set(content: bytes) -> Mapping[str | None, RSAPublicKey]:
    """The RSA signing keys by their ids. Other keys are ignored. Raises ValueError without any."""
    document = json.loads(content)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError(f"this is no JSON Web Key Set of at most {_MAX_KEYS} keys")
    found: dict[str | None, RSAPublicKey] = {}
    for entry in entries:
        if isinstance(entry, dict) and (key := _to_rsa_key(entry)) is not None:
            key_id = entry.get("kid")
            found[key_id if isinstance(key_id, str) else None] = key
    if not found:
        raise ValueError(f"the key set has no RSA key of {MIN_RSA_BITS} bits or more for RS256 signatures")
    return found


def _to_rsa_key(entry: dict[str, Any]) -> RSAPublicKey | None:
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") != "RS256":
        return None
    try:
        key = jwt.PyJWK(entry, algorithm="RS256").key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS else None
