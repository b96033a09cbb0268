"""Doors that are called without a network, and what they log."""

import json
import logging

import httpx

from deployments.gateway.app import create_app
from deployments.gateway.backing import Backing
from deployments.gateway.logs import JsonLines
from videojobs.ledger import Ledger


class Broken(Backing):
    """Something behind the door is away."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def ledger(self) -> Ledger:
        raise self._error


def called(backing: Backing, *, host: str = "127.0.0.1", raises: bool = True) -> httpx.AsyncClient:
    """A client of this door, which comes from `host`. An error that nobody foresaw `raises` here, or is answered."""
    transport = httpx.ASGITransport(create_app(backing), client=(host, 4711), raise_app_exceptions=raises)
    return httpx.AsyncClient(transport=transport, base_url="http://door")


class Kept(logging.Handler):
    """JSON lines, kept."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))
