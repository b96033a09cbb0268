"""One program of the stack: started with a log of its own, awaited until it is ready, and ended."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployments.environment import REPOSITORY
from deployments.local.errors import PartFailed
from deployments.local.marking import MARK_VARIABLE, end_marked

LOOK_SECONDS = 0.05  # between two looks at a part that is starting
TAIL_BYTES, TAIL_LINES = 16_384, 15  # what a failure shows of the log

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Account:
    """The account that a program runs under, if not ours. Only root can choose."""

    user: int
    group: int


class Process:
    """Restartable: `start` after an end runs the same command again and writes on in the same log."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], account: Account | None
    ) -> None:
        self.name = name
        self._command = command
        self.log = log
        self._environment = environment
        self._account = account
        self._log_start = 0
        self._process: asyncio.subprocess.Process | None = None
        self._end_is_meant = False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def ended_by_itself(self) -> bool:
        return self._process is not None and not self.running and not self._end_is_meant

    async def start(self, *, stdin: int = asyncio.subprocess.DEVNULL) -> None:
        account = self._account
        self._end_is_meant = False
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    env=self._environment,
                    cwd="/" if account else REPOSITORY,  # another account may have no access to the repository
                    start_new_session=True,  # Ctrl-C in the terminal is for the stack, which stops its parts in order
                    user=account.user if account else None,
                    group=account.group if account else None,
                    extra_groups=[] if account else None,
                )
            except OSError as error:
                raise PartFailed(self.name, f"cannot be started ({error})") from error

    async def until(self, ready: Probe, *, patience: float) -> None:
        """Return once `ready` says so. A program that ends first, or needs more than `patience` s, has failed."""
        deadline = time.monotonic() + patience
        while not (self.running and await ready()):
            if not self.running:
                raise self.failure(f"ended at once ({self._how_it_ended()})")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready after {patience:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def succeed(self) -> None:
        """Start, and wait for a good end."""
        await self.start()
        if await self.ended() != 0:
            raise self.failure(self._how_it_ended())

    async def ended(self) -> int:
        """Wait for the end; the exit code, negative for a signal. 0 if it never ran."""
        return await self._process.wait() if self._process else 0

    def has_logged(self, text: str) -> bool:
        """Whether `text` is in the log since the last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return text.encode() in log.read()

    async def stop(self, how: signal.Signals, *, patience: float) -> None:
        """Ask with a signal, insist with SIGKILL after `patience` seconds."""
        if self._process is None or not self.running:
            return
        self._end_is_meant = True
        with suppress(ProcessLookupError):  # it ended a moment ago
            self._process.send_signal(how)
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it and everything that it started with SIGKILL, as a loss of its machine would."""
        self._end_is_meant = True
        await asyncio.to_thread(end_marked, self._environment[MARK_VARIABLE], hard=True)
        await self.ended()

    def close_stdin(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def failure(self, reason: str) -> PartFailed:
        return PartFailed(self.name, reason, log=self.log, last_lines=self._last_lines())

    def failure_of_end(self) -> PartFailed:
        return self.failure(f"ended by itself ({self._how_it_ended()})")

    def _how_it_ended(self) -> str:
        code = self._process.returncode if self._process else None
        if code is None or code >= 0:
            return f"exit code {code}"
        return f"signal {signal.Signals(-code).name}"

    def _last_lines(self) -> str:
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - TAIL_BYTES))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])
