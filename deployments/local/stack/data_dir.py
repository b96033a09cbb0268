"""The data folder: a lock, a log for each service, and the ports and secrets that every run of the stack reuses."""

import fcntl
import json
import os
import secrets
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from deployments.local.stack.errors import DataDirInUse, StackError
from deployments.local.stack.process_tags import data_dir_tag

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections: one of those
# could otherwise occupy a service's port while the service restarts.
FIRST_PORT, LAST_PORT = 20_000, 31_999
HOST = "127.0.0.1"


def is_port_free(port: int) -> bool:
    """Whether a server could listen here now. Connections in TIME_WAIT do not count, as for the server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


class DataDir:
    """Used by one stack at a time; `with` holds the lock, which the kernel releases if the process dies."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self._state_file = self.root / "remembered.json"  # ports and secrets
        self._saved_state: dict[str, dict[str, str]] = {}
        self._ports: dict[str, int] = {}
        self._lock: TextIO | None = None

    def __enter__(self) -> "DataDir":
        try:
            self.path("logs").mkdir(parents=True, exist_ok=True)
            self._lock = self.path("lock").open("a+")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._state_file.exists():
                self._saved_state = json.loads(self._state_file.read_text())
        except BlockingIOError:
            holder = self._read_lock_owner()
            self._close()
            raise DataDirInUse(
                f"A local stack already runs on {self.root} (process {holder}). "
                "Stop it first, or give this one a folder of its own with --data."
            ) from None
        except OSError as error:
            self._close()
            raise StackError(f"Cannot use {self.root} ({error.strerror}). Name another folder with --data.") from error
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

    def _read_lock_owner(self) -> str:
        with suppress(OSError):
            return self.path("lock").read_text() or "unknown"
        return "unknown"

    def path(self, name: str) -> Path:
        return self.root / name

    def log_path(self, service: str) -> Path:
        return self.root / "logs" / f"{service}.log"

    def port(self, name: str) -> int:
        """The port of the last run if it is free, else the next free one, counted from the folder's own start."""
        if name not in self._ports:
            span = LAST_PORT - FIRST_PORT + 1
            start = int(data_dir_tag(self.root).removeprefix("videojobs-"), 16) % span
            candidates = [FIRST_PORT + (start + step) % span for step in range(span)]
            if saved_port := self._saved_state.get("ports", {}).get(name):
                candidates.insert(0, int(saved_port))
            reserved = {int(port) for key, port in self._saved_state.get("ports", {}).items() if key != name}
            self._ports[name] = next(port for port in candidates if port not in reserved and is_port_free(port))
            self._save("ports", name, str(self._ports[name]))
        return self._ports[name]

    def secret(self, name: str) -> str:
        """A secret, generated once for this folder: 32 hexadecimal digits."""
        known = self._saved_state.get("secrets", {})
        return known.get(name) or self._save("secrets", name, secrets.token_hex(16))

    def _save(self, kind: str, name: str, value: str) -> str:
        self._saved_state.setdefault(kind, {})[name] = value
        write_private(self._state_file, json.dumps(self._saved_state, indent=2))
        return value

    def delete(self) -> None:
        """Delete all data, also Postgres's folder elsewhere, which its account could not reach in here."""
        postgres = self.path("postgres")
        if postgres.is_symlink():
            shutil.rmtree(postgres.resolve(), ignore_errors=True)
        shutil.rmtree(self.root)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically: a crash leaves the old one."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)
