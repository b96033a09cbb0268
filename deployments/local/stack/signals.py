"""Stop signals: the first one stops in order, the second one at once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGHUP, SIGINT, SIGTERM, Signals

STOP_SIGNALS = (SIGINT, SIGTERM, SIGHUP)  # Ctrl-C, a service manager or `kill`, a closed terminal


@dataclass
class StopRequest:
    """The first stop signal, if any came."""

    signal: Signals | None = None

    @property
    def exit_code(self) -> int:
        """By the shells' convention for a process that a signal ended."""
        return 128 + self.signal if self.signal else 0


@contextmanager
def cancel_on_signal(force_stop: Callable[[], None]) -> Iterator[StopRequest]:
    """Within the block the first signal cancels the current task, and each further one calls `force_stop`."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stop_request = StopRequest()

    def on_signal(number: Signals) -> None:
        if stop_request.signal is None:
            stop_request.signal = number
            if task:
                task.cancel()
        else:
            force_stop()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop_request
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
