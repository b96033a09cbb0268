"""Fault points: named places where a test can kill, hang or fail the real process. Otherwise they do nothing.

A test names a folder in `VIDEOJOBS_FAULT_DIR` before the process starts and puts `{job_id}.json` into it:

    {"point": "db.record_accepted.before_commit", "nth": 1, "action": "kill"}

The process then logs each point that the job passes to `{job_id}.passed`, and triggers the action at the nth pass of
the named one. The log outlives the process, so that a fault triggers once, also after a restart.
"""

import json
import os
import signal
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Literal, TypedDict

DB_WRITES: Final = (
    "create",
    "create_rejected",
    "acquire_lease",
    "renew_leases",
    "release_lease",
    "advance",
    "update_progress",
    "record_event",
    "complete",
    "fail",
    "park",
    "cancel",
    "reopen",
    "write_off",
    "record_estimate",
    "create_intent",
    "record_accepted",
    "record_outcome",
    "record_not_accepted",
    "record_callback",
    "acquire_if_unchanged",
    "purge",
)
"""Every write of the job repository; `before_commit` and `after_commit`."""

DELIVERY_WRITES: Final = ("claim_deliveries", "record_attempt")
"""As `DB_WRITES`, in the process that sends webhooks; no job's run passes them."""

BATCH_WRITES: Final = ("create_batch",)
"""As `DB_WRITES`, in an API process that creates a batch; no job's run passes them."""

DELIVERY_CALLS: Final = ("webhook.send",)
"""Sending a webhook; `before_call` and `after_call`, the latter with the answer in memory only."""

VENDOR_CALLS: Final = (
    "sync_so.create",
    "sync_so.get",
    "sync_so.download_url",
    "sync_so.list",
    "sync_so.estimate",
    "ghostcut.submit",
    "ghostcut.status",
    "ghostcut.works",
    "ghostcut.balance",
)
"""Every request to a vendor; `before_call` and `after_call`, the latter with the response in memory only."""

STORAGE_WRITES: Final = ("store.put", "store.copy", "store.delete", "store.abort")
"""Every change of the object store; `before` and `after`."""

STREAMS: Final = ("stream.fetch", "stream.put")
"""Every stream of bytes, in and out; `middle`, after some of it has passed."""

DELIVERY_POINTS: Final = (
    *(f"db.{verb}.{when}_commit" for verb in DELIVERY_WRITES for when in ("before", "after")),
    *(f"{call}.{when}_call" for call in DELIVERY_CALLS for when in ("before", "after")),
)
"""The fault points of webhooks. Their tests kill an API process, and need no whole stack."""

BATCH_POINTS: Final = tuple(f"db.{verb}.{when}_commit" for verb in BATCH_WRITES for when in ("before", "after"))
"""The fault points of batches. Their tests kill a process, and need no whole stack."""

FAULT_POINTS: Final = (
    *(f"db.{verb}.{when}_commit" for verb in DB_WRITES for when in ("before", "after")),
    *(f"{call}.{when}_call" for call in VENDOR_CALLS for when in ("before", "after")),
    *(f"{change}.{when}" for change in STORAGE_WRITES for when in ("before", "after")),
    *(f"{stream}.middle" for stream in STREAMS),
    *DELIVERY_POINTS,
    *BATCH_POINTS,
)
"""All fault points. A test compares this list with the code, and the fault matrix with this list."""

_FAULT_DIR: Final = os.environ.get("VIDEOJOBS_FAULT_DIR")

current_job_id: ContextVar[str | None] = ContextVar("current_job_id", default=None)
"""The job that the code works for, so that a fault hits one job of many."""


class InjectedFault(Exception):
    """Raised by a fault point: an unhandled error, as seen by the code."""


class FaultSpec(TypedDict):
    """The file that a test writes for one job."""

    point: str
    nth: int
    action: Literal["kill", "raise", "hang"]


def fault_point(name: str, job_id: str | None = None) -> None:
    """Marks a fault point. Give `job_id` where `current_job_id` is not set."""
    if _FAULT_DIR is not None:
        _hit(Path(_FAULT_DIR), name, job_id or current_job_id.get())


def _hit(fault_dir: Path, name: str, job_id: str | None) -> None:
    if name not in FAULT_POINTS:
        raise ValueError(f"{name} is not in the list of fault points")
    file = fault_dir / f"{job_id}.json"
    if job_id is None or not file.exists():
        return
    spec: FaultSpec = json.loads(file.read_text())
    hit_log = fault_dir / f"{job_id}.passed"
    with hit_log.open("a") as log:
        log.write(f"{name}\n")
    if name == spec["point"] and hit_log.read_text().splitlines().count(name) == spec["nth"]:
        _trigger(spec["action"])


def _trigger(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "hang":
        time.sleep(86_400)
    raise InjectedFault(f"a test requested {action}")
