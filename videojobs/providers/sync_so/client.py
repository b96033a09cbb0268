"""Sync.so's API calls. Only create costs money; all others are free and may be repeated.

Each call raises `VendorRateLimited`, `VendorUnavailable`, `ConfigurationError` or `VendorRejected`; see
`videojobs.providers.sync_so.errors`. Facts: Sync.so fact sheet, sections 2, 4, 5, 6 and 9.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from videojobs.providers.http import no_answer_error, send
from videojobs.providers.schemas import compact_json, normalize_number
from videojobs.providers.sync_so.errors import VENDOR, RouteUnknown, to_error
from videojobs.providers.sync_so.schemas import Generation, GenerationEstimate

MAX_LIST_SIZE = 100  # generations; the vendor's maximum
MAX_WAIT_SECONDS = 10  # seconds; the vendor rejects a longer long poll with 400
WAIT_MARGIN_SECONDS = 15.0  # seconds after the end of a long poll before its response counts as lost
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_JSON_HEADERS = {"Content-Type": "application/json"}

A = TypeVar("A")
_generation_adapter = TypeAdapter(Generation)
_generations_adapter = TypeAdapter(list[Generation])
_estimates_adapter = TypeAdapter(GenerationEstimate | list[GenerationEstimate])


class SyncSoClient:
    """Calls Sync.so through `http`, which has the base URL and the header `x-api-key`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def create(self, body: bytes, idempotency_key: str) -> Generation:
        """Buy a generation. Repeating the same key and bytes gives the same generation and costs nothing.

        Raises `OutcomeUnknown` if the vendor may have accepted it (repeat with the same key and bytes, never with
        others) and `SubmissionConflict` if the key was used for other bytes.
        """
        if not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            raise ValueError("an idempotency key has 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
        request = self._http.build_request(
            "POST", "/v2/generate", content=body, headers=_JSON_HEADERS | {"Idempotency-Key": idempotency_key}
        )
        return _parse(await self._send(request, "sync_so.create", paid=True), _generation_adapter, paid=True)

    async def get(self, generation_id: str, *, wait_seconds: int | None = None, progress: bool = False) -> Generation:
        """The current state of a generation. Raises `GenerationNotFound`.

        With `wait_seconds` (kept within 1..10, the vendor's limits) the vendor holds its response until the generation
        ends or the time is over. `progress` requests a percentage; the vendor cannot do both at once.
        """
        if wait_seconds is not None and progress:
            raise ValueError("Sync.so cannot wait and report progress in one call")
        params: dict[str, str | int] = {"include": "progress"} if progress else {}
        timeout = self._http.timeout
        if wait_seconds is not None:
            wait = min(max(wait_seconds, 1), MAX_WAIT_SECONDS)
            params = {"wait": "true", "timeout": wait}
            timeout = _long_poll_timeout(wait, timeout)
        request = self._http.build_request("GET", _generation_path(generation_id), params=params, timeout=timeout)
        return _parse(await self._send(request, "sync_so.get"), _generation_adapter)

    async def download_url(self, generation_id: str) -> str:
        """A fresh link to the result; fetch it without the API key. Raises `GenerationNotFound`."""
        path = f"/v2/generations/{quote(generation_id, safe='')}/download"
        answer = await self._send(self._http.build_request("GET", path), "sync_so.download_url")
        link = answer.text.strip().strip('"')
        if not link.startswith(("https://", "http://")):
            raise no_answer_error(VENDOR, "no download link in the response", paid=False)
        return link

    async def list_recent(self, limit: int = 100, cursor: str | None = None) -> list[Generation]:
        """Generations, newest first, at most 100; `cursor` is the last id of the previous page."""
        return await self._list({"limit": limit} | ({"cursor": cursor} if cursor else {}))

    async def get_many(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        """The state of up to 100 generations, in one request; those that the vendor does not know are missing."""
        found = await self._list({"limit": MAX_LIST_SIZE, "ids": ",".join(generation_ids)})
        return {generation.id: generation for generation in found}

    async def _list(self, params: Mapping[str, str | int]) -> list[Generation]:
        request = self._http.build_request("GET", "/v2/generations", params=params)
        return _parse(await self._send(request, "sync_so.list"), _generations_adapter)

    async def check_credentials(self) -> None:
        """Prove that the API key is accepted, at no cost; raises `ConfigurationError` if it is not."""
        await self.list_recent(limit=1)

    async def estimate(self, body: bytes, *, duration: float, fps: float = 30) -> GenerationEstimate:
        """The cost of the generation request `body`, by the vendor; `duration` is the result's, in seconds.

        Calls the current endpoint, or the older one (same body as a generation) if the current one is unknown.
        """
        payload = {
            "model": json.loads(body)["model"],
            "duration": normalize_number(duration),
            "fps": normalize_number(fps),
        }
        try:
            return await self._estimate("/v2/generations/estimate", compact_json(payload).encode())
        except RouteUnknown:
            return await self._estimate("/v2/analyze/cost", body)

    async def _estimate(self, path: str, body: bytes) -> GenerationEstimate:
        request = self._http.build_request("POST", path, content=body, headers=_JSON_HEADERS)
        answer = await self._send(request, "sync_so.estimate")
        found = _parse(answer, _estimates_adapter)
        estimates = found if isinstance(found, list) else [found]
        return estimates[0] if estimates else GenerationEstimate()

    async def _send(self, request: httpx.Request, call: str, *, paid: bool = False) -> httpx.Response:
        response = await send(self._http, request, vendor=VENDOR, call=call, paid=paid)
        if response.is_success:
            return response
        raise to_error(response, paid=paid)


def _generation_path(generation_id: str) -> str:
    return f"/v2/generate/{quote(generation_id, safe='')}"


def _long_poll_timeout(wait: int, timeout: httpx.Timeout) -> httpx.Timeout:
    """The client's time-outs, with a read time-out that a long poll of `wait` seconds cannot reach."""
    read = None if timeout.read is None else max(timeout.read, wait + WAIT_MARGIN_SECONDS)
    return httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)


def _parse(response: httpx.Response, adapter: TypeAdapter[A], *, paid: bool = False) -> A:
    try:
        return adapter.validate_json(response.content)
    except ValidationError:
        # Without its cause, which quotes the response and so its links.
        raise no_answer_error(VENDOR, f"{response.status_code} with an unreadable body", paid=paid) from None
