"""What keeps the local stack from running. Each message says which part, why, and what to do about it."""

from pathlib import Path


class StackError(Exception):
    """The stack cannot start, or cannot go on."""


class DataDirInUse(StackError):
    """Another stack runs on this data folder."""


class MissingVariables(StackError):
    """A part was given by the environment, but not all that it needs."""


class ServiceFailed(StackError):
    """A part did not start, or ended by itself. `log_tail` is the end of its log."""

    def __init__(self, service: str, reason: str, *, log: Path | None = None, log_tail: str = "") -> None:
        self.service = service
        self.log_tail = log_tail
        message = f"{service}: {reason}"
        if log_tail:
            message += f"\nThe last lines of its log:\n{log_tail}"
        if log is not None:
            message += f"\nThe whole log: {log}"
        super().__init__(message)
