"""Result links of Sync.so: a token in the address, which may expire (fact sheet 5)."""

import time

from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.sync_so.db import SyncSoStore


class ResultLinks:
    """Issues links and judges tokens. `ttl` is in seconds, None for links that never expire."""

    def __init__(self, base_url: str, db: SyncSoStore) -> None:
        self._base_url = base_url
        self._db = db

    def current_url(self, row: Row, ttl: float | None) -> str | None:
        """The generation's link, None before there is a result. An expired token is replaced."""
        if row["status"] != "COMPLETED":
            return None
        token = self._db.find_newest_token(row["id"])
        if token is None or _is_expired(token, ttl):
            return self.new_url(row)
        return self._result_url(row["id"], token["token"])

    def new_url(self, row: Row) -> str:
        """A link that was never given out before."""
        return self._result_url(row["id"], self._db.issue_token(row["id"]))

    def is_valid(self, generation_id: str, token: str, ttl: float | None) -> bool:
        issued = self._db.find_token(token, generation_id)
        return issued is not None and not _is_expired(issued, ttl)

    def storage_url(self, generation_id: str, token: str) -> str:
        """Where the link redirects to: the storage host, which wants no API key."""
        return f"{self._base_url}/storage/results/{generation_id}/{token}.mp4"

    def _result_url(self, generation_id: str, token: str) -> str:
        return f"{self._base_url}/v2/generations/{generation_id}/result?token={token}"


def _is_expired(token: Row, ttl: float | None) -> bool:
    return ttl is not None and time.time() > token["issued_at"] + ttl
