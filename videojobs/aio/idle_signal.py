"""A job tells whoever runs it that from here on it waits for others. Where nobody wants to know, nothing happens.

A worker lets only some runs begin at once, and a run that waits makes room for the next one.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

_IDLE_CALLBACK: Final[ContextVar[Callable[[], None] | None]] = ContextVar("idle_callback", default=None)


def on_idle(callback: Callable[[], None]) -> None:
    """Have `tell` called, in the loop of the job, by everything that is begun in this context."""
    _IDLE_CALLBACK.set(callback)


def notify_idle() -> None:
    """To be called where a job begins to wait; as often as one likes."""
    if callback := _IDLE_CALLBACK.get():
        callback()
