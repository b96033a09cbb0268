"""What belongs to one event loop: connections, locks, background tasks. It must not be used from another loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value for each event loop, made when it is first asked for. A loop that is gone takes its value along."""

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """The value of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._values:
            self._values[loop] = self._create()
        return self._values[loop]

    def pop(self) -> T | None:
        """Forget the value of the running event loop; gives it to be closed."""
        return self._values.pop(asyncio.get_running_loop(), None)
