"""`python -m deployments.local up` as another program sees it."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from signal import Signals

import psutil

PARTS = ("object_store", "postgres")


class Supervisor:
    """Starts the two quick parts; knows every process that belongs to it by looking at the family, not at marks."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._process: subprocess.Popen[str] | None = None
        self._family: list[psutil.Process] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "deployments.local", "up", "--ignore-environment"]
        self._process = subprocess.Popen(
            [*command, "--data", str(self._data), "--parts", ",".join(PARTS)],
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

    def part(self, command: str) -> psutil.Process:
        """The program with this word in its command line. Remembers who is there now."""
        self._look_around()
        return next(member for member in self._family if command in " ".join(member.cmdline()))

    def signal(self, number: Signals) -> None:
        """Remembers who is there now."""
        self._look_around()
        self.process.send_signal(number)

    def _look_around(self) -> None:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            self._family = [own, *own.children(recursive=True)]

    def exit_code(self, *, within: float = 20) -> int:
        return self.process.wait(timeout=within)

    def survivors(self, *, patience: float = 10) -> list[str]:
        """Who of those that were there still runs, after `patience` seconds at the most."""
        deadline = time.monotonic() + patience
        while (alive := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return [" ".join(member.cmdline()) for member in alive]

    def _alive(self) -> list[psutil.Process]:
        return [member for member in self._family if _runs(member)]

    def end(self) -> None:
        """Whatever the test found out."""
        if self._process:
            self._look_around()
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self.survivors(patience=5)
        for member in self._alive():
            member.kill()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
