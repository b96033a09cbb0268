"""How long to wait before a vendor is asked again: as long as it says, else longer after each error."""

from random import uniform
from typing import Final

from videojobs.errors import RetryableError
from videojobs.settings import DAY_SECONDS, TimingSettings

RECOVERY_GRACE_SECONDS: Final = 300.0
"""A vendor that restarts, or that has many requests for a moment, is back by then, and nobody has to be told."""

_MAX_FACTOR: Final = 30  # times the first delay: five minutes with the default, since asking is free
_MIN_DELAY_SECONDS: Final = 1.0  # seconds: "come again at once" is no reason to ask without a pause
_JITTER: Final = 0.2  # of a delay, on top: jobs that were told to wait together do not come back together


class Backoff:
    """The delays of one spell of errors: begin a new one when the other side has answered."""

    def __init__(self) -> None:
        self._initial_delay = TimingSettings.current().retry_delay_seconds
        self._next_delay = self._initial_delay

    def next_delay(self, error: Exception) -> float:
        """Seconds to wait after this error. A day at most: a vendor that asks for more has made a mistake."""
        retry_after = error.retry_after if isinstance(error, RetryableError) else None
        seconds, self._next_delay = self._next_delay, min(self._next_delay * 2, self._initial_delay * _MAX_FACTOR)
        if retry_after is not None:
            seconds = min(max(retry_after, min(self._initial_delay, _MIN_DELAY_SECONDS)), DAY_SECONDS)
        return seconds * uniform(1, 1 + _JITTER)  # noqa: S311  # no secret
