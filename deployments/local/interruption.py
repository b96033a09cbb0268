"""Ctrl-C and its relatives: once to stop in order, twice to stop now."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGHUP, SIGINT, SIGTERM, Signals

SIGNALS = (SIGINT, SIGTERM, SIGHUP)  # Ctrl-C, a service manager or `kill`, a closed terminal


@dataclass
class Interruption:
    """Which signal asked for the end, if any."""

    signal: Signals | None = None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal ended."""
        return 128 + self.signal if self.signal else 0


@contextmanager
def interruptible(hurry: Callable[[], None]) -> Iterator[Interruption]:
    """Within the block the first signal cancels the current task, and each further one calls `hurry`."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    interruption = Interruption()

    def on_signal(number: Signals) -> None:
        if interruption.signal is None:
            interruption.signal = number
            if task:
                task.cancel()
        else:
            hurry()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield interruption
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
