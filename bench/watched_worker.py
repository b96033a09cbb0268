"""`prefect ...` in this process, with a watch on the loop in which the flows run, and on wish a profiler in it.

    python -m bench.watched_worker worker start --pool video-jobs

`BENCH_LAG_FILE` names the file of the lags, `BENCH_PROFILE_FILE` the one of the profile (cProfile's), if any.
"""

import atexit
import cProfile
import os
import runpy
import sys
from pathlib import Path

from bench.loop_lag import note_lag
from deployments.worker.worker import FLOWS
from videojobs.loop_thread import LoopThread

_begin = LoopThread.__init__


def _watched(self: LoopThread, name: str, *, threads: int) -> None:
    """What is called as a loop begins. Paid calls have one, too: that is none of ours."""
    _begin(self, name, threads=threads)
    if name == FLOWS:
        self.submit(_watch())


async def _watch() -> None:
    if profile := os.environ.get("BENCH_PROFILE_FILE"):
        profiler = cProfile.Profile()
        atexit.register(profiler.dump_stats, profile)
        profiler.enable()
    await note_lag(Path(os.environ["BENCH_LAG_FILE"]))


if __name__ == "__main__":
    LoopThread.__init__ = _watched  # type: ignore[method-assign]  # the worker has no opening for a watch
    sys.argv[0] = "prefect"
    runpy.run_module("prefect", run_name="__main__")
