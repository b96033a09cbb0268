"""Delays before a vendor is queried again: as long as it requests, else longer after each error."""

from random import uniform
from typing import Final

from videojobs.errors import RetryableError
from videojobs.settings import DAY_SECONDS, TimingSettings

RECOVERY_GRACE_SECONDS: Final = 300.0
"""A vendor that restarts, or that is briefly overloaded, is back by then, so operators need no alert."""

_MAX_FACTOR: Final = 30  # times the first delay: five minutes with the default, since queries are free
_MIN_DELAY_SECONDS: Final = 1.0  # seconds: even with `Retry-After: 0`, queries are paced
_JITTER: Final = 0.2  # of a delay, added: jobs that were delayed together do not retry together


class Backoff:
    """The delays of one series of errors; create a new one after a success."""

    def __init__(self) -> None:
        self._initial_delay = TimingSettings.current().retry_delay_seconds
        self._next_delay = self._initial_delay

    def next_delay(self, error: Exception) -> float:
        """Seconds to wait after this error. A day at most: a vendor that requests more has made a mistake."""
        retry_after = error.retry_after if isinstance(error, RetryableError) else None
        seconds, self._next_delay = self._next_delay, min(self._next_delay * 2, self._initial_delay * _MAX_FACTOR)
        if retry_after is not None:
            seconds = min(max(retry_after, min(self._initial_delay, _MIN_DELAY_SECONDS)), DAY_SECONDS)
        return seconds * uniform(1, 1 + _JITTER)  # noqa: S311  # no secret
