"""Runs `prefect ...` in this process, with a lag monitor on the flows' loop, and optionally a profiler.

    python -m tests.benchmarks.instrumented_worker worker start --pool video-jobs

`BENCH_LAG_FILE` names the file of the lags, `BENCH_PROFILE_FILE` the one of the profile (cProfile's), if any.
"""

import atexit
import cProfile
import os
import runpy
import sys
from pathlib import Path

from deployments.worker.worker import FLOW_LOOP_NAME
from tests.benchmarks.loop_lag import record_lag
from videojobs.aio.background_loop import BackgroundEventLoop

_original_init = BackgroundEventLoop.__init__


def _init_with_monitor(self: BackgroundEventLoop, name: str, *, threads: int) -> None:
    """Called when a loop is created. The loop of paid calls is not monitored."""
    _original_init(self, name, threads=threads)
    if name == FLOW_LOOP_NAME:
        self.submit(_monitor_loop())


async def _monitor_loop() -> None:
    if profile := os.environ.get("BENCH_PROFILE_FILE"):
        profiler = cProfile.Profile()
        atexit.register(profiler.dump_stats, profile)
        profiler.enable()
    await record_lag(Path(os.environ["BENCH_LAG_FILE"]))


if __name__ == "__main__":
    BackgroundEventLoop.__init__ = _init_with_monitor  # type: ignore[method-assign]  # the worker has no hook for it
    sys.argv[0] = "prefect"
    runpy.run_module("prefect", run_name="__main__")
