"""A job tells whoever runs it that from here on it waits for others. Where nobody wants to know, nothing happens.

A worker lets only some runs begin at once, and a run that waits makes room for the next one.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

_TELL: Final[ContextVar[Callable[[], None] | None]] = ContextVar("tell", default=None)


def tell_when_at_rest(tell: Callable[[], None]) -> None:
    """Have `tell` called, in the loop of the job, by everything that is begun in this context."""
    _TELL.set(tell)


def at_rest() -> None:
    """To be called where a job begins to wait; as often as one likes."""
    if tell := _TELL.get():
        tell()
