"""Sends the final state of a work to its callback until it is accepted (fact sheet 6)."""

import asyncio
import json
import time

import httpx

from deployments.local.emulators.ghostcut.db import GhostCutStore
from deployments.local.emulators.ghostcut.signing import sign
from deployments.local.emulators.sqlite_store import Row


class CallbackSender:
    """HTTP 200 with a non-empty body is accepted; everything else is retried."""

    def __init__(self, http_client: httpx.AsyncClient, db: GhostCutStore, secret: str) -> None:
        self._http_client = http_client
        self._db = db
        self._secret = secret

    async def deliver(self, work: Row, payload: Row) -> bool:
        """One attempt; returns whether it was accepted."""
        url = json.loads(work["request"])["callback"]
        body = json.dumps(payload, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "Callback-Sign": sign(body, self._secret)}
        try:
            answer = await self._http_client.post(url, content=body, headers=headers)
            outcome = f"{answer.status_code}{'' if answer.content else ' with an empty body'}"
            accepted = answer.status_code == 200 and bool(answer.content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            outcome, accepted = type(error).__name__, False
        self._db.record_notification(str(work["id"]), url, body.decode(), outcome)
        return accepted

    async def wait_for_retry(self, work: Row, seconds: float, window: float) -> bool:
        """Wait until the next attempt; False if the work is too old for one."""
        if time.time() + seconds > work["created_at"] + window:
            return False
        await asyncio.sleep(seconds)
        return True
