"""Fault points: named places where a test can kill, stop or fail the real process. Without one, they do nothing.

A test names a folder in `VIDEOJOBS_FAULTS` before the process starts and puts `{job_id}.json` into it:

    {"point": "ledger.accept.before_commit", "nth": 1, "action": "kill"}

The process then writes each point that it passes for the job into `{job_id}.passed`, and strikes when it passes the
named one for the nth time. The list outlives the process, so that a point strikes once, also after a restart.
"""

import json
import os
import signal
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Literal, TypedDict

COMMITS: Final = (
    "open",
    "open_refused",
    "claim",
    "renew",
    "release",
    "advance",
    "tell",
    "record",
    "finish",
    "fail",
    "park",
    "cancel",
    "reopen",
    "write_off",
    "estimate",
    "intend",
    "accept",
    "settle",
    "not_taken",
    "hear",
    "hold",
    "purge",
)
"""Every verb of the ledger that writes; `before_commit` and `after_commit`."""

CALLS: Final = (
    "sync_so.create",
    "sync_so.get",
    "sync_so.download_url",
    "sync_so.list",
    "sync_so.estimate",
    "ghostcut.submit",
    "ghostcut.status",
    "ghostcut.works",
    "ghostcut.points",
)
"""Every request to a vendor; `before_call` and `after_call`, the latter with the answer in memory only."""

STORING: Final = ("store.put", "store.copy", "store.delete", "store.abort")
"""Every change of the object store; `before` and `after`."""

STREAMS: Final = ("stream.fetch", "stream.put")
"""Every stream of bytes, in and out; `middle`, when some of it has passed."""

POINTS: Final = (
    *(f"ledger.{verb}.{when}_commit" for verb in COMMITS for when in ("before", "after")),
    *(f"{call}.{when}_call" for call in CALLS for when in ("before", "after")),
    *(f"{change}.{when}" for change in STORING for when in ("before", "after")),
    *(f"{stream}.middle" for stream in STREAMS),
)
"""All of them. A test compares this list with the code, and the crash matrix with this list."""

_FOLDER: Final = os.environ.get("VIDEOJOBS_FAULTS")

job_in_hand: ContextVar[str | None] = ContextVar("job_in_hand", default=None)
"""The job that this code works for, so that a fault meets one job of many."""


class Struck(Exception):
    """The error of a fault point that was armed to raise one: nothing that the code could foresee."""


class Armed(TypedDict):
    """What a test writes for one job."""

    point: str
    nth: int
    action: Literal["kill", "raise", "hang"]


def fault_point(name: str, job_id: str | None = None) -> None:
    """A place where a test may strike; `job_id` where the context does not tell it."""
    if _FOLDER is not None:
        _pass(Path(_FOLDER), name, job_id or job_in_hand.get())


def _pass(folder: Path, name: str, job_id: str | None) -> None:
    if name not in POINTS:
        raise ValueError(f"{name} is not in the list of fault points")
    file = folder / f"{job_id}.json"
    if job_id is None or not file.exists():
        return
    armed: Armed = json.loads(file.read_text())
    passed = folder / f"{job_id}.passed"
    with passed.open("a") as log:
        log.write(f"{name}\n")
    if name == armed["point"] and passed.read_text().splitlines().count(name) == armed["nth"]:
        _strike(armed["action"])


def _strike(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "hang":
        time.sleep(86_400)
    raise Struck(f"a test asked to {action}")
