"""Ends the stack's processes once the stack itself is gone, also after kill -9, which it cannot answer itself.

The watchdog reads from a pipe whose other end only the stack holds: the kernel closes it when the stack ends,
whatever the way. As a command: `python -m deployments.local.watchdog MARK`.
"""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from deployments.local.marking import end_marked

if TYPE_CHECKING:  # as a program it starts with the stack, and needs little
    from deployments.local.launcher import Launcher


class Watchdog:
    """The stack's end of the pipe."""

    def __init__(self, launcher: "Launcher") -> None:
        self._mark = launcher.mark
        self._process = launcher.process(
            "watchdog", [sys.executable, "-m", "deployments.local.watchdog", launcher.mark]
        )

    async def start(self) -> None:
        await self._process.start(stdin=asyncio.subprocess.PIPE)

    def release(self) -> None:
        """Let it end everything now. Returns at once."""
        self._process.close_stdin()

    async def finish(self) -> None:
        """Let it end everything, and wait until that is done. Does its work itself if the watchdog was killed."""
        self.release()
        if await self._process.ended() != 0:
            await asyncio.to_thread(end_marked, self._mark)


def main() -> None:
    # A signal meant for the stack also reaches its children at times (a service manager's, say): stay to the end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_marked(sys.argv[1], spare=os.getpid())


if __name__ == "__main__":
    main()
