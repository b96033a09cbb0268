"""How long to wait before a vendor is asked again: as long as it says, else longer after each error."""

from random import uniform
from typing import Final

from videojobs.errors import Retryable
from videojobs.settings import DAY_SECONDS, Timings

HEALS_SECONDS: Final = 300.0
"""A vendor that restarts, or that has many requests for a moment, is back by then, and nobody has to be told."""

_MOST: Final = 30  # times the first delay: five minutes with the default, since asking is free
_LEAST: Final = 1.0  # seconds: "come again at once" is no reason to ask without a pause
_SPREAD: Final = 0.2  # of a delay, on top: jobs that were told to wait together do not come back together


class Backoff:
    """The delays of one spell of errors: begin a new one when the other side has answered."""

    def __init__(self) -> None:
        self._first = Timings().retry_delay_seconds
        self._next = self._first

    def delay(self, error: Exception) -> float:
        """Seconds to wait after this error. A day at most: a vendor that asks for more has made a mistake."""
        told = error.retry_after if isinstance(error, Retryable) else None
        seconds, self._next = self._next, min(self._next * 2, self._first * _MOST)
        if told is not None:
            seconds = min(max(told, min(self._first, _LEAST)), DAY_SECONDS)
        return seconds * uniform(1, 1 + _SPREAD)  # noqa: S311  # no secret
