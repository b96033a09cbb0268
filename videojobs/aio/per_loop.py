"""Values that belong to one event loop, such as connections, locks and background tasks. No other loop may use them."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value per event loop, created on first use and released with the loop."""

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
        """Remove the value of the running event loop and return it, to be closed."""
        return self._values.pop(asyncio.get_running_loop(), None)
