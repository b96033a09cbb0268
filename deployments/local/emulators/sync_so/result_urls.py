"""Sync.so's result URLs: they contain a token, which may expire (fact sheet 5)."""

import time

from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.sync_so.db import SyncSoStore


class ResultLinks:
    """Issues URLs and validates tokens. `ttl` is in seconds; None for URLs that never expire."""

    def __init__(self, base_url: str, db: SyncSoStore) -> None:
        self._base_url = base_url
        self._db = db

    def current_url(self, row: Row, ttl: float | None) -> str | None:
        """The generation's URL; None before there is a result. Replaces an expired token."""
        if row["status"] != "COMPLETED":
            return None
        token = self._db.find_newest_token(row["id"])
        if token is None or _is_expired(token, ttl):
            return self.new_url(row)
        return self._result_url(row["id"], token["token"])

    def new_url(self, row: Row) -> str:
        """A new URL with a new token."""
        return self._result_url(row["id"], self._db.issue_token(row["id"]))

    def is_valid(self, generation_id: str, token: str, ttl: float | None) -> bool:
        issued = self._db.find_token(token, generation_id)
        return issued is not None and not _is_expired(issued, ttl)

    def storage_url(self, generation_id: str, token: str) -> str:
        """The URL's redirect target: the storage host, which needs no API key."""
        return f"{self._base_url}/storage/results/{generation_id}/{token}.mp4"

    def _result_url(self, generation_id: str, token: str) -> str:
        return f"{self._base_url}/v2/generations/{generation_id}/result?token={token}"


def _is_expired(token: Row, ttl: float | None) -> bool:
    return ttl is not None and time.time() > token["issued_at"] + ttl
