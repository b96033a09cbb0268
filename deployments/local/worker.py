"""The worker of the pool `video-jobs`: our own, unless somebody has given the pool another type."""

import shutil
from collections.abc import Mapping

from deployments.local.folder import Folder
from deployments.local.launcher import Launcher
from deployments.local.part import Part
from deployments.local.registration import Registration

WORK_POOL = "video-jobs"
MALLOC = {
    # glibc gives each thread a heap of its own, up to eight a core, and hardly gives back what was free in them.
    "MALLOC_ARENA_MAX": "2",
    # Told, it stays with its first thresholds: parts of a video are mapped by themselves and given back at once.
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
POLL_SECONDS = 1  # Prefect's default is 10: a person who has just pressed "Run" would think that nothing happens


class Worker(Part):
    """Flow runs inherit its environment, and so every address of the stack."""

    name = "worker"
    needs = frozenset({Registration.name})

    def __init__(self, folder: Folder, launcher: Launcher, variables: Mapping[str, str]) -> None:
        self.address = f"work pool {WORK_POOL}"
        self._scratch = folder.path("tmp")
        settings = {
            "PREFECT_WORKER_QUERY_SECONDS": str(POLL_SECONDS),
            # Seconds: how soon a dead run of another type of worker is noticed. Prefect's minimum; ours has its own.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            **MALLOC,
            "TMPDIR": str(self._scratch),  # a killed run leaves its working files; here the next start finds them
        }
        self._worker = self.process = launcher.module(
            self.name,
            *("prefect", "worker", "start", "--pool", WORK_POOL, "--name", "local"),
            variables={**variables, **settings},
        )

    async def start(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        await self._worker.start()
        await self._worker.until(self._polls, patience=60)

    async def _polls(self) -> bool:
        return self._worker.has_logged("started!")
