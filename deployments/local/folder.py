"""The data folder: one lock, one log a part, and what has to stay the same from one run to the next."""

import fcntl
import json
import os
import secrets
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from deployments.local.errors import FolderInUse, StackError
from deployments.local.marking import folder_mark

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections: one of those
# could otherwise sit on a part's port in the moment of its restart.
FIRST_PORT, LAST_PORT = 20_000, 31_999
HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen here now. Connections that are winding down do not count, as for the server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


class Folder:
    """Opened by one stack at a time; `with` holds the lock, which the kernel drops if the process dies."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self._memory = self.root / "remembered.json"  # ports and secrets
        self._remembered: dict[str, dict[str, str]] = {}
        self._ports: dict[str, int] = {}
        self._lock: TextIO | None = None

    def __enter__(self) -> "Folder":
        try:
            self.path("logs").mkdir(parents=True, exist_ok=True)
            self._lock = self.path("lock").open("a+")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._memory.exists():
                self._remembered = json.loads(self._memory.read_text())
        except BlockingIOError:
            holder = self._read_holder()
            self._close()
            raise FolderInUse(
                f"A local stack already runs on {self.root} (process {holder}). "
                "Stop it first, or give this one a folder of its own with --data."
            ) from None
        except OSError as error:
            self._close()
            raise StackError(
                f"{self.root} cannot be used ({error.strerror}). Name another folder with --data."
            ) from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _read_holder(self) -> str:
        with suppress(OSError):
            return self.path("lock").read_text() or "unknown"
        return "unknown"

    def path(self, name: str) -> Path:
        return self.root / name

    def log(self, part: str) -> Path:
        return self.root / "logs" / f"{part}.log"

    def port(self, name: str) -> int:
        """The port of the last run if it is free, else the next free one, counted from the folder's own start."""
        if name not in self._ports:
            span = LAST_PORT - FIRST_PORT + 1
            start = int(folder_mark(self.root).removeprefix("videojobs-"), 16) % span
            candidates = [FIRST_PORT + (start + step) % span for step in range(span)]
            if remembered := self._remembered.get("ports", {}).get(name):
                candidates.insert(0, int(remembered))
            taken = {int(port) for key, port in self._remembered.get("ports", {}).items() if key != name}
            self._ports[name] = next(port for port in candidates if port not in taken and is_free(port))
            self._remember("ports", name, str(self._ports[name]))
        return self._ports[name]

    def secret(self, name: str) -> str:
        """A secret made up once for this folder: 32 hexadecimal digits."""
        known = self._remembered.get("secrets", {})
        return known.get(name) or self._remember("secrets", name, secrets.token_hex(16))

    def _remember(self, kind: str, name: str, value: str) -> str:
        self._remembered.setdefault(kind, {})[name] = value
        write_private(self._memory, json.dumps(self._remembered, indent=2))
        return value

    def erase(self) -> None:
        """Delete all data, also what lies elsewhere because the folder is closed to Postgres's account."""
        postgres = self.path("postgres")
        if postgres.is_symlink():
            shutil.rmtree(postgres.resolve(), ignore_errors=True)
        shutil.rmtree(self.root)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing: a crash leaves the old one."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
