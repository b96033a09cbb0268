"""APIs called without a network, and a capture of their logs."""

import json
import logging

import httpx

from deployments.api.app import create_app
from deployments.api.logging import JsonFormatter
from deployments.api.services import Services
from videojobs.db import JobRepository


class BrokenServices(Services):
    """Services that raise an error for an unavailable dependency."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def repository(self) -> JobRepository:
        raise self._error


def asgi_client(services: Services, *, host: str = "127.0.0.1", raise_errors: bool = True) -> httpx.AsyncClient:
    """A client that connects from the address `host`. With `raise_errors`, unhandled exceptions reach the test."""
    transport = httpx.ASGITransport(create_app(services), client=(host, 4711), raise_app_exceptions=raise_errors)
    return httpx.AsyncClient(transport=transport, base_url="http://api")


class LogCapture(logging.Handler):
    """Captures JSON log lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))
