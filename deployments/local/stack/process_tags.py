"""Finding and ending every process of a stack, wherever it went.

A worker starts each flow run in a session of its own, and a killed parent leaves its children to init: neither process
groups nor the family tree leads to all of them. So each process of a stack carries the run's mark in its environment,
which children inherit. Postgres writes its titles over the environment of its backends, so it carries the mark as its
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

POSTGRES_GRACE_SECONDS = 3.0  # an immediate shutdown of Postgres takes well under a second; it tidies its shared memory
KILL_TIMEOUT = 15.0  # only a process stuck in the kernel outlives SIGKILL for so long
QUIET_ROUNDS = 3  # a process that was just being forked shows its mark a moment later
POLL_INTERVAL = 0.05


def data_dir_tag(folder: Path) -> str:
    """What the processes of every stack run on this data folder have in common."""
    return "videojobs-" + hashlib.sha256(bytes(folder.resolve())).hexdigest()[:12]


def new_run_tag(folder: Path) -> str:
    """The mark of one run of the stack: a prefix common to the folder, then what is this run's alone."""
    return f"{data_dir_tag(folder)}-{secrets.token_hex(4)}"


def _has_tag(process: psutil.Process, tag: str) -> bool:
    with suppress(psutil.Error):
        if process.environ().get(TAG_VARIABLE, "").startswith(tag):
            return True
    with suppress(psutil.Error):
        return process.name() == "postgres" and tag in " ".join(process.cmdline())
    return False


def tagged_processes(tag: str) -> list[psutil.Process]:
    """The living processes whose mark is `mark` or begins with it. Zombies have no environment, so they don't count."""
    return [process for process in psutil.process_iter() if _has_tag(process, tag)]


def kill_tagged(tag: str, *, exclude_pid: int | None = None, immediate: bool = False) -> None:
    """Kill all processes with this mark, but the one with the id `spare`, until no more come up. Blocks.

    Postgres is asked for an immediate shutdown first, unless `hard`.
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
