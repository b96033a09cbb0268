"""A Prefect worker that runs flow runs as coroutines of one process: a job that waits costs a coroutine, not a process.

    prefect worker start --pool video-jobs        (the pool's type is `coroutine`)

It is Prefect's own extension point: Prefect finds it by the entry point in pyproject.toml, when it loads collections.

    worker.py         the worker: takes runs from the pool, hands them over, stops in order
    configuration.py  what Prefect asks of every worker type: job configuration, result
    settings.py       what an operator may set
    entrypoints.py    a deployment's flow, imported once
    runs.py           the runs in hand: started, stopped, drained
    engine.py         Prefect's engine for one run, which can be asked to stop
    heart.py          says of each run that it is alive
    sweep.py          finds runs that nobody sees to
"""

from deployments.worker.worker import CoroutineWorker

__all__ = ["CoroutineWorker"]
