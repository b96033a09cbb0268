"""A Prefect worker that runs flow runs as coroutines of one process: a waiting job costs a coroutine, not a process.

    prefect worker start --pool video-jobs        (the pool's type is `coroutine`)

Prefect finds the worker type by the entry point in pyproject.toml, when it loads collections.

    worker.py             the worker: polls its pool, starts runs, stops in order
    run_manager.py        the active runs: start, stop, drain
    engine.py             one run, which can be stopped
    run_heartbeats.py     heartbeats of all runs
    liveness.py           the worker's own liveness: it exits when the flows' loop is stuck
    event_listener.py     the pool's events: new runs, cancellations
    orphan_scan.py        finds runs without a worker
    flow_loader.py        a deployment's flow, imported once
    job_configuration.py  what Prefect requires of every worker type: job variables, configuration, result
    settings.py           the settings
    prefect_compat.py     the only file that touches Prefect's private API
"""

from deployments.worker.worker import CoroutineWorker

__all__ = ["CoroutineWorker"]
