"""How many requests somebody may make: token buckets in memory, one for each caller.

In memory, so each process of the front door counts for itself, and a restart forgives: the limits keep the door free
for everybody, they are no quota that is paid for.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

_KNOWN: Final = 10_000  # callers; whoever was away for longest is forgotten first


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float  # on the clock


class Buckets:
    """Each caller may make `per_minute` requests, and a minute's worth of them at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, who: Hashable) -> float:
        """0 where it may go on; else the seconds after which it may."""
        bucket = self._filled(who)
        if bucket.level >= 1:
            bucket.level -= 1
            return 0
        return self._missing(bucket)

    def wait(self, who: Hashable) -> float:
        """As `take`, and takes nothing."""
        return self._missing(self._filled(who))

    def _missing(self, bucket: _Bucket) -> float:
        return max(0.0, (1 - bucket.level) / self._per_second)

    def _filled(self, who: Hashable) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(who, _Bucket(self._size, now))
        self._buckets.move_to_end(who)
        if len(self._buckets) > _KNOWN:
            self._buckets.popitem(last=False)
        bucket.level = min(self._size, bucket.level + (now - bucket.at) * self._per_second)
        bucket.at = now
        return bucket
