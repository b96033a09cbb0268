"""Kills the stack's processes when the stack itself is gone, also after a kill -9 of it.

The watchdog reads from a pipe whose other end only the stack holds: the kernel closes it when the stack ends, however
it ends. As a command: `python -m deployments.local.stack.watchdog TAG`.
"""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from deployments.local.stack.process_tags import kill_tagged

if TYPE_CHECKING:  # the watchdog process starts with the stack; it needs few imports
    from deployments.local.stack.process_factory import ProcessFactory


class Watchdog:
    """The stack's end of the pipe."""

    def __init__(self, process_factory: "ProcessFactory") -> None:
        self._run_tag = process_factory.run_tag
        self._process = process_factory.create_process(
            "watchdog", [sys.executable, "-m", "deployments.local.stack.watchdog", process_factory.run_tag]
        )

    async def start(self) -> None:
        await self._process.start(stdin=asyncio.subprocess.PIPE)

    def trigger(self) -> None:
        """Let the watchdog kill everything now. Returns at once."""
        self._process.close_stdin()

    async def trigger_and_wait(self) -> None:
        """Let the watchdog kill everything, and wait for it. If it was killed itself, do its work."""
        self.trigger()
        if await self._process.wait() != 0:
            await asyncio.to_thread(kill_tagged, self._run_tag)


def main() -> None:
    # A signal for the stack may also reach its children (from a service manager, for example): stay to the end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    kill_tagged(sys.argv[1], exclude_pid=os.getpid())


if __name__ == "__main__":
    main()
