"""Finds and kills every process of a stack.

A process worker starts each flow run in a session of its own, and a killed parent's children move to init: neither
process groups nor the process tree leads to all of them. So each process has the run's tag in its environment, which
children inherit. Postgres overwrites the environment of its backends with their titles, so it has the tag in its
cluster name, which is part of those titles.
"""

import hashlib
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

TAG_VARIABLE = "VIDEOJOBS_LOCAL_STACK"

POSTGRES_GRACE_SECONDS = 3.0  # an immediate shutdown of Postgres takes well under a second; it frees its shared memory
KILL_TIMEOUT = 15.0  # only a process stuck in the kernel outlives SIGKILL that long
QUIET_ROUNDS = 3  # a process that is being forked shows its tag a moment later
POLL_INTERVAL = 0.05


def data_dir_tag(folder: Path) -> str:
    """The tag prefix of all processes of all runs on this data folder."""
    return "videojobs-" + hashlib.sha256(bytes(folder.resolve())).hexdigest()[:12]


def new_run_tag(folder: Path) -> str:
    """The tag of one run of the stack: the folder's prefix and a random part."""
    return f"{data_dir_tag(folder)}-{secrets.token_hex(4)}"


def _has_tag(process: psutil.Process, tag: str) -> bool:
    with suppress(psutil.Error):
        if process.environ().get(TAG_VARIABLE, "").startswith(tag):
            return True
    with suppress(psutil.Error):
        return process.name() == "postgres" and tag in " ".join(process.cmdline())
    return False


def tagged_processes(tag: str) -> list[psutil.Process]:
    """The running processes whose tag starts with `tag`. Zombies have no environment, so they do not count."""
    return [process for process in psutil.process_iter() if _has_tag(process, tag)]


def kill_tagged(tag: str, *, exclude_pid: int | None = None, immediate: bool = False) -> None:
    """Kill all processes with this tag, except `exclude_pid`, until no more appear. Blocks.

    Postgres gets an immediate shutdown first, unless `immediate`.
    """
    started = time.monotonic()
    quiet = 0
    while quiet < QUIET_ROUNDS and time.monotonic() - started < KILL_TIMEOUT:
        found = [process for process in tagged_processes(tag) if process.pid != exclude_pid]
        quiet = 0 if found else quiet + 1
        gentle = not immediate and time.monotonic() - started < POSTGRES_GRACE_SECONDS
        for process in found:
            with suppress(psutil.Error):
                immediate_shutdown = gentle and process.name() == "postgres"
                process.send_signal(signal.SIGQUIT if immediate_shutdown else signal.SIGKILL)
        time.sleep(POLL_INTERVAL)
