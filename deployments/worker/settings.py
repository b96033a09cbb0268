"""Settings of a coroutine worker: `VIDEOJOBS_WORKER_...` in its environment."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from videojobs.settings import Settings


class WorkerSettings(Settings):
    """The number of concurrent runs is Prefect's own option: `prefect worker start --limit`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_WORKER_")
    old_names: ClassVar = {
        "VIDEOJOBS_WORKER_STARTS_AT_ONCE": "max_concurrent_starts",
        "VIDEOJOBS_WORKER_BEGIN_SECONDS": "start_timeout_seconds",
        "VIDEOJOBS_WORKER_SWEEP_SECONDS": "orphan_scan_interval_seconds",
    }

    heartbeat_seconds: float = Field(default=30, gt=0, le=3600)
    """Interval of each run's heartbeats. Three of them fit into the default of `VIDEOJOBS_HEARTBEAT_TIMEOUT_SECONDS`.
    Raise both for thousands of runs: a heartbeat costs the Prefect server about as much as a log line."""

    drain_seconds: float = Field(default=5, ge=0, le=3600)
    """How long runs may take to finish after the worker is asked to stop. Then they are stopped where they are, and
    scheduled again. Ours: Docker kills after 10 s, and scheduling takes part of them."""

    max_concurrent_starts: int = Field(default=16, ge=1, le=1000)
    """Runs that start at the same time: from the poll until they wait for a vendor. More do not start sooner, and
    leave the Prefect server no time for its events. Ours: the connections of Prefect's client."""

    start_timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """A run that never reports that it waits, such as a lecture, frees its start slot after this time."""

    threads: int = Field(default=64, ge=1, le=1000)
    """Maximum of blocking calls of all runs: transfers, decoding, paid calls (up to a minute each, as many as there are
    concurrency slots at the vendors). Python's own default is 6 on a machine of 2 cores."""

    orphan_scan_interval_seconds: float = Field(default=30, gt=0, le=3600)
    """Interval of scans for runs without a worker. A scan is one request, most of the time."""
