"""Errors of the local stack. Each message names the service, the cause, and what to do."""

from pathlib import Path


class StackError(Exception):
    """The stack cannot start, or cannot continue."""


class DataDirInUse(StackError):
    """Another stack runs on this data folder."""


class MissingVariables(StackError):
    """The environment names an external service, but not all variables that it requires."""


class ServiceFailed(StackError):
    """A service did not start, or exited by itself. `log_tail` is the end of its log."""

    def __init__(self, service: str, reason: str, *, log: Path | None = None, log_tail: str = "") -> None:
        self.service = service
        self.log_tail = log_tail
        message = f"{service}: {reason}"
        if log_tail:
            message += f"\nThe last lines of its log:\n{log_tail}"
        if log is not None:
            message += f"\nThe whole log: {log}"
        super().__init__(message)
