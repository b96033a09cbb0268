"""Result links of Sync.so: a token in the address, which may expire (fact sheet 5)."""

import time

from deployments.local.emulators.records import Row
from deployments.local.emulators.sync_so.books import Books


class Links:
    """Issues links and judges tokens. `ttl` is in seconds, None for links that never expire."""

    def __init__(self, base_url: str, books: Books) -> None:
        self._base_url = base_url
        self._books = books

    def current(self, row: Row, ttl: float | None) -> str | None:
        """The generation's link, None before there is a result. An expired token is replaced."""
        if row["status"] != "COMPLETED":
            return None
        token = self._books.newest_token(row["id"])
        if token is None or _is_expired(token, ttl):
            return self.fresh(row)
        return self._address(row["id"], token["token"])

    def fresh(self, row: Row) -> str:
        """A link that was never given out before."""
        return self._address(row["id"], self._books.issue_token(row["id"]))

    def works(self, identity: str, token: str, ttl: float | None) -> bool:
        issued = self._books.token(token, identity)
        return issued is not None and not _is_expired(issued, ttl)

    def storage(self, identity: str, token: str) -> str:
        """Where the link redirects to: the storage host, which wants no API key."""
        return f"{self._base_url}/storage/results/{identity}/{token}.mp4"

    def _address(self, identity: str, token: str) -> str:
        return f"{self._base_url}/v2/generations/{identity}/result?token={token}"


def _is_expired(token: Row, ttl: float | None) -> bool:
    return ttl is not None and time.time() > token["issued_at"] + ttl
