"""An emulator as a process on a free port, and its control endpoints."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 15  # seconds for a process to respond or exit


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmulatorProcess:
    """`vendor` is the emulator's module. The data folder is kept across restarts."""

    def __init__(self, vendor: str, folder: Path, secrets: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self._command = [sys.executable, "-m", f"deployments.local.emulators.{vendor}"]
        self._environment = {**os.environ, **secrets}
        self.http = httpx.Client(trust_env=False)  # without credentials, since downloads must work without them
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        place = ["--port", str(self.port), "--data", str(self.folder)]
        self._process = subprocess.Popen([*self._command, *place, *options], cwd=ROOT, env=self._environment)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self._is_healthy():
            assert self._process.poll() is None, "the emulator ended by itself"
            assert time.monotonic() < deadline, "the emulator does not answer"
            time.sleep(0.02)

    def _is_healthy(self) -> bool:
        try:
            return self.control("GET", "health").is_success
        except httpx.TransportError:
            return False

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        assert self._process is not None
        self._process.send_signal(signum)
        return self._process.wait(TIMEOUT_SECONDS)

    def ensure_stopped(self) -> None:
        """Kill the process if it still runs, also after a test that failed half-way."""
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGKILL)

    def control(self, method: str, page: str, body: object = None) -> httpx.Response:
        return self.http.request(method, f"{self.url}/_emulator/{page}", json=body)

    def dump_state(self) -> Any:
        return self.control("GET", "records").json()

    def update_settings(self, **settings: object) -> None:
        self.control("PATCH", "settings", settings).raise_for_status()

    def inject_fault(self, kind: str, **details: object) -> None:
        self.control("POST", "faults", {"kind": kind, **details}).raise_for_status()

    @contextmanager
    def temporary_settings(self, **changes: object) -> Iterator[None]:
        """Change settings for the duration of the context."""
        before = self.control("GET", "settings").json()
        self.update_settings(**changes)
        try:
            yield
        finally:
            self.update_settings(**{name: before[name] for name in changes})
