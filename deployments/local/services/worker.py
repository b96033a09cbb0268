"""The worker of the pool `video-jobs`: our own, unless somebody has given the pool another type."""

import shutil
from collections.abc import Mapping

from deployments.local.services.registration import RegistrationService
from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

WORK_POOL = "video-jobs"
MALLOC_SETTINGS = {
    # glibc gives each thread a heap of its own, up to eight a core, and hardly gives back what was free in them.
    "MALLOC_ARENA_MAX": "2",
    # Told, it stays with its first thresholds: parts of a video are mapped by themselves and given back at once.
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
POLL_SECONDS = 1  # Prefect's default is 10: a person who has just pressed "Run" would think that nothing happens


class WorkerService(Service):
    """Flow runs inherit its environment, and so every address of the stack."""

    name = "worker"
    depends_on = frozenset({RegistrationService.name})

    def __init__(self, data_dir: DataDir, process_factory: ProcessFactory, variables: Mapping[str, str]) -> None:
        self.address = f"work pool {WORK_POOL}"
        self._scratch = data_dir.path("tmp")
        settings = {
            "PREFECT_WORKER_QUERY_SECONDS": str(POLL_SECONDS),
            # Seconds: how soon a dead run of another type of worker is noticed. Prefect's minimum; ours has its own.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            **MALLOC_SETTINGS,
            "TMPDIR": str(self._scratch),  # a killed run leaves its working files; here the next start finds them
        }
        self._worker = self.process = process_factory.create_module_process(
            self.name,
            *("prefect", "worker", "start", "--pool", WORK_POOL, "--name", "local"),
            variables={**variables, **settings},
        )

    async def start(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        await self._worker.start()
        await self._worker.wait_until_ready(self._is_polling, timeout=60)

    async def _is_polling(self) -> bool:
        return self._worker.has_logged("started!")
