"""A vendor that replies from a script, through httpx's own transport interface, and records its requests."""

from collections.abc import Callable
from typing import Any

import httpx
from pydantic import SecretStr

from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.http import vendor_http_client
from videojobs.providers.sync_so.client import SyncSoClient

API_KEY = "sk-test-4711-never-shown"
APP_KEY = "appkey-0815-never-shown"
APP_SECRET = "test-secret"

ScriptedReply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class ScriptedVendor:
    """Gives its replies in order; the last one repeats."""

    def __init__(self, *replies: ScriptedReply) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []

    @property
    def request(self) -> httpx.Request:
        """The only request received."""
        (request,) = self.requests
        return request

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    def sync_so(self) -> SyncSoClient:
        headers = {"x-api-key": API_KEY}
        return SyncSoClient(vendor_http_client("https://sync.test", headers=headers, transport=self.transport()))

    def ghostcut(self, **options: Any) -> GhostCutClient:
        http = vendor_http_client("https://ghostcut.test", transport=self.transport())
        return GhostCutClient(http, SecretStr(APP_KEY), SecretStr(APP_SECRET), **options)


def ghostcut_envelope(body: object = None, *, code: object = 1000, msg: str = "success") -> httpx.Response:
    """GhostCut's response envelope around `body`."""
    return httpx.Response(200, json={"msg": msg, "trace": "t-1", "code": code, "body": body})
