"""Runs an emulator: command line, HTTP server on 127.0.0.1, clean shutdown."""

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
    """The command line. `processing_seconds` is None to keep the stored setting."""

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
    parser.add_argument("--data", type=Path, required=True, help="folder of the database and the results")
    parser.add_argument("--processing-seconds", type=float, help="minimum duration of a job (2)")
    given = parser.parse_args(arguments)
    given.data.mkdir(parents=True, exist_ok=True)
    return ServerOptions(given.port, given.data.resolve(), given.processing_seconds)


class ExposedConnectionProtocol(H11Protocol):
    """Gives the application its connection (`request.state.transport`), which some faults close."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self.app_state = {**self.app_state, "transport": transport}


class Server(uvicorn.Server):
    """Calls `on_shutdown` before it waits for open requests, so that long polls can end."""

    def __init__(self, config: uvicorn.Config, on_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_shutdown = on_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_shutdown()
        await super().shutdown(sockets)


def serve(app: Starlette, port: int, on_shutdown: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then exit with code 0."""
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
        timeout_graceful_shutdown=1,  # a slow download must not delay the shutdown
    )
    Server(config, on_shutdown).run()


def _exit(_signal: int, _frame: FrameType | None) -> None:
    """uvicorn raises the stop signal again after its shutdown."""
    sys.exit(0)
