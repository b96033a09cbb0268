"""How many requests somebody may make: token buckets in memory, one for each caller.

In memory, so each process of the front door counts for itself, and a restart forgives: the limits keep the door free
for everybody, they are no quota that is paid for.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

_MAX_BUCKETS: Final = 10_000  # callers; whoever was away for longest is forgotten first


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated_at: float  # on the clock


class TokenBuckets:
    """Each caller may make `per_minute` requests, and a minute's worth of them at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._refill_per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """0 where it may go on; else the seconds after which it may."""
        bucket = self._refilled_bucket(key)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return self._seconds_until_token(bucket)

    def seconds_until_allowed(self, key: Hashable) -> float:
        """As `take`, and takes nothing."""
        return self._seconds_until_token(self._refilled_bucket(key))

    def _seconds_until_token(self, bucket: _Bucket) -> float:
        return max(0.0, (1 - bucket.tokens) / self._refill_per_second)

    def _refilled_bucket(self, key: Hashable) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._capacity, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._capacity, bucket.tokens + (now - bucket.updated_at) * self._refill_per_second)
        bucket.updated_at = now
        return bucket
