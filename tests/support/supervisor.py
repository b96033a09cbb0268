"""`python -m deployments.local up` as a subprocess."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from signal import Signals

import psutil

SERVICES = ("object_store", "postgres")


class Supervisor:
    """Starts the two quick services. Finds its processes by parentage, not by process tags."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[str] | None = None
        self._processes: list[psutil.Process] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "deployments.local", "up", "--ignore-environment"]
        self._process = subprocess.Popen(
            [*command, "--data", str(self._data), "--services", ",".join(SERVICES)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def read_until(self, text: str) -> str:
        """Its output up to the line with this text, or all of it."""
        assert self.process.stdout is not None
        seen = ""
        for line in self.process.stdout:
            seen += line
            if text in line:
                break
        return seen

    def run_until_up(self) -> None:
        self.start()
        output = self.read_until("Variables for other programs")
        assert "Variables for other programs" in output, output

    def service_process(self, command: str) -> psutil.Process:
        """The process with this word in its command line. Records which processes run now."""
        self._refresh_processes()
        return next(member for member in self._processes if command in " ".join(member.cmdline()))

    def signal(self, number: Signals) -> None:
        """Send a signal. Records which processes run now."""
        self._refresh_processes()
        self.process.send_signal(number)

    def _refresh_processes(self) -> None:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            self._processes = [own, *own.children(recursive=True)]

    def exit_code(self, *, timeout: float = 20) -> int:
        return self.process.wait(timeout=timeout)

    def survivors(self, *, timeout: float = 10) -> list[str]:
        """The recorded processes that still run, after `timeout` seconds at most."""
        deadline = time.monotonic() + timeout
        while (alive := self._running_processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return [" ".join(member.cmdline()) for member in alive]

    def _running_processes(self) -> list[psutil.Process]:
        return [member for member in self._processes if _is_running(member)]

    def kill_all(self) -> None:
        """Kill everything, whatever the test's result."""
        if self._process:
            self._refresh_processes()
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self.survivors(timeout=5)
        for member in self._running_processes():
            member.kill()


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
