"""Limits for a transfer: a deadline, and a minimum rate.

Both include redirects, headers and body. A read time-out is not enough: a server that sends single bytes now and then
never triggers it.
"""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import Final, TypeVar

from videojobs.errors import TransferInterrupted
from videojobs.settings import LinkSettings

T = TypeVar("T")

WAIT_SLICE_SECONDS: Final = 0.25  # the maximum delay until a thread that waits for the network notices a stop


class TransferWatchdog:
    """For one transfer of at most `max_bytes`, which begins now. `stop` ends it from any thread within
    `WAIT_SLICE_SECONDS`.

    Each wait is a callable `attempt`, which raises TimeoutError after at most one slice and is then repeated.
    """

    def __init__(self, links: LinkSettings, max_bytes: float, stop: Event) -> None:
        self._links = links
        self._stop = stop
        self._max_seconds = links.base_seconds + max_bytes / links.usual_bytes_per_second
        self._deadline = monotonic() + self._max_seconds
        self._window_waited, self._window_bytes = 0.0, 0  # seconds and bytes of this window

    def check(self) -> None:
        """Raises TransferInterrupted if the transfer was stopped, or its deadline has passed."""
        if self._stop.is_set():
            raise TransferInterrupted("the transfer was stopped")
        if monotonic() > self._deadline:
            raise TransferInterrupted(f"the link was too slow: the transfer took more than {self._max_seconds:.0f} s")

    def wait_to_connect(self, attempt: Callable[[], T]) -> T:
        """The attempt's result, within its time limit. Raises TimeoutError, and as `check` does."""
        deadline = monotonic() + self._links.connect_seconds
        while True:
            self.check()
            try:
                return attempt()
            except TimeoutError:
                if monotonic() > deadline:
                    raise

    def wait_to_transfer(self, attempt: Callable[[], T]) -> T:
        """The attempt's result, while the rate is high enough. Raises TransferInterrupted.

        Only the time spent here counts, not that of our own storage.
        """
        while True:
            self.check()
            self._check_rate()
            started = monotonic()
            try:
                return attempt()
            except TimeoutError:
                continue
            finally:
                self._window_waited += monotonic() - started

    def add_received(self, size: int) -> None:
        """Count received bytes."""
        self._window_bytes += size

    def _check_rate(self) -> None:
        if self._window_waited < self._links.window_seconds:
            return
        rate, min_rate = self._window_bytes / self._window_waited, self._links.min_bytes_per_second
        if rate < min_rate:
            raise TransferInterrupted(
                f"the link was too slow: {rate / 1000:.1f} kB a second over {self._window_waited:.0f} s, and "
                f"{min_rate / 1000:g} "
                "kB are the least; put the file where it can be downloaded faster, or upload it"
            )
        self._window_waited, self._window_bytes = 0.0, 0
