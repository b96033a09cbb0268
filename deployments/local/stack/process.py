"""A process of the stack: start with its own log, wait until ready, stop."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployments.local.stack.errors import ServiceFailed
from deployments.local.stack.process_tags import TAG_VARIABLE, kill_tagged
from deployments.server.environment import REPOSITORY_ROOT

POLL_INTERVAL = 0.05  # seconds between two readiness probes
TAIL_BYTES, TAIL_LINES = 16_384, 15  # of the log, shown with an error

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class OsAccount:
    """The account that a process runs under, if not ours. Only root can choose one."""

    uid: int
    gid: int


class Process:
    """Restartable: `start` after an exit runs the same command again and appends to the same log."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], account: OsAccount | None
    ) -> None:
        self.name = name
        self._command = command
        self.log = log
        self._environment = environment
        self._account = account
        self._log_start = 0
        self._process: asyncio.subprocess.Process | None = None
        self._is_stopping = False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def exited_unexpectedly(self) -> bool:
        return self._process is not None and not self.is_running and not self._is_stopping

    async def start(self, *, stdin: int = asyncio.subprocess.DEVNULL) -> None:
        account = self._account
        self._is_stopping = False
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    cwd="/" if account else REPOSITORY_ROOT,  # another account may have no access to the repository
                    start_new_session=True,  # Ctrl-C reaches only the stack, which stops its services in order
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
            except OSError as error:
                raise ServiceFailed(self.name, f"cannot start ({error})") from error

    async def wait_until_ready(self, is_ready: Probe, *, timeout: float) -> None:
        """Return once `is_ready` is true. Raises ServiceFailed after an exit or `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (self.is_running and await is_ready()):
            if not self.is_running:
                raise self.error(f"exited before it was ready ({self._describe_exit()})")
            if time.monotonic() > deadline:
                raise self.error(f"was not ready after {timeout:.0f} s")
            await asyncio.sleep(POLL_INTERVAL)

    async def run_checked(self) -> None:
        """Start, and wait for the exit. Raises ServiceFailed unless the exit code is 0."""
        await self.start()
        if await self.wait() != 0:
            raise self.error(self._describe_exit())

    async def wait(self) -> int:
        """Wait for the exit; the exit code, negative for a signal. 0 if it never ran."""
        return await self._process.wait() if self._process else 0

    def has_logged(self, text: str) -> bool:
        """Whether `text` is in the log since the last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return text.encode() in log.read()

    async def stop(self, stop_signal: signal.Signals, *, timeout: float) -> None:
        """Send the signal, and SIGKILL after `timeout` seconds."""
        if self._process is None or not self.is_running:
            return
        self._is_stopping = True
        with suppress(ProcessLookupError):  # it has just exited
            self._process.send_signal(stop_signal)
        try:
            await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL it and everything that it started, as if its machine were lost."""
        self._is_stopping = True
        await asyncio.to_thread(kill_tagged, self._environment[TAG_VARIABLE], immediate=True)
        await self.wait()

    def close_stdin(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def error(self, reason: str) -> ServiceFailed:
        return ServiceFailed(self.name, reason, log=self.log, log_tail=self._log_tail())

    def exit_error(self) -> ServiceFailed:
        return self.error(f"exited by itself ({self._describe_exit()})")

    def _describe_exit(self) -> str:
        code = self._process.returncode if self._process else None
        if code is None or code >= 0:
            return f"exit code {code}"
        return f"signal {signal.Signals(-code).name}"

    def _log_tail(self) -> str:
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])
