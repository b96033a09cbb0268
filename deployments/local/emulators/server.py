"""Runs an emulator as a program: its command line, its HTTP server on 127.0.0.1, its clean stop."""

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The command line. `processing_seconds` is None where the books' own setting shall stay."""

    port: int
    data: Path
    processing_seconds: float | None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def parse_options(program: str, arguments: Sequence[str] | None = None) -> ServerOptions:
    """Parse the command line and create the data folder."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, help="folder of the books and the results")
    parser.add_argument("--processing-seconds", type=float, help="how long a job takes at least (2)")
    given = parser.parse_args(arguments)
    given.data.mkdir(parents=True, exist_ok=True)
    return ServerOptions(given.port, given.data.resolve(), given.processing_seconds)


class ExposedConnectionProtocol(H11Protocol):
    """Shows the application its connection, which some faults break off (`request.state.transport`)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.app_state = {**self.app_state, "transport": transport}


class Server(uvicorn.Server):
    """Calls `leaving` before it waits for open requests: who waits for an event has to be let go."""

    def __init__(self, config: uvicorn.Config, on_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_shutdown = on_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_shutdown()
        await super().shutdown(sockets)


def serve(app: Starlette, port: int, on_shutdown: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then leave with exit code 0."""
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _exit)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=ExposedConnectionProtocol,
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,  # a slow download must not hold up the stop
    )
    Server(config, on_shutdown).run()


def _exit(_signal: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal it was stopped by once more, when all is closed."""
    sys.exit(0)
