"""What keeps the local stack from running. Each message says which part, why, and what to do about it."""

from pathlib import Path


class StackError(Exception):
    """The stack cannot start, or cannot go on."""


class FolderInUse(StackError):
    """Another stack runs on this data folder."""


class MissingVariables(StackError):
    """A part was given by the environment, but not all that it needs."""


class PartFailed(StackError):
    """A part did not start, or ended by itself. `last_lines` is the end of its log."""

    def __init__(self, part: str, reason: str, *, log: Path | None = None, last_lines: str = "") -> None:
        self.part = part
        self.last_lines = last_lines
        message = f"{part}: {reason}"
        if last_lines:
            message += f"\nThe last lines of its log:\n{last_lines}"
        if log is not None:
            message += f"\nThe whole log: {log}"
        super().__init__(message)
