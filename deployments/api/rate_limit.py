"""Rate limits: token buckets in memory, one per caller.

Each API process counts for itself, and a restart resets the counts: the limits protect the service, they are no quota.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

_MAX_BUCKETS: Final = 10_000  # callers; the least recent one is dropped first


@dataclass(slots=True)
class _Bucket:
    tokens: float
    updated_at: float  # on the clock


class TokenBuckets:
    """Each caller may make `per_minute` requests, all of them at once if it likes."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._refill_per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take a token. Returns 0, or the seconds until the caller may retry."""
        bucket = self._refilled_bucket(key)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return self._seconds_until_token(bucket)

    def seconds_until_allowed(self, key: Hashable) -> float:
        """As `take`, without taking a token."""
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
