"""Lets a job signal that it only waits from now on. Without a callback, nothing happens.

A worker limits how many runs start at once; a waiting run makes room for the next one.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

_IDLE_CALLBACK: Final[ContextVar[Callable[[], None] | None]] = ContextVar("idle_callback", default=None)


def on_idle(callback: Callable[[], None]) -> None:
    """Set the callback for everything started in this context. It is called in the job's event loop."""
    _IDLE_CALLBACK.set(callback)


def notify_idle() -> None:
    """Call it where a job begins to wait. May be called repeatedly."""
    if callback := _IDLE_CALLBACK.get():
        callback()
