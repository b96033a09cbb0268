"""The worker of the pool `video-jobs`: our own type, unless the pool has another one."""

import shutil
from collections.abc import Mapping

from deployments.local.services.registration import WORK_POOL, RegistrationService
from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

MALLOC_SETTINGS = {
    # glibc has up to eight heaps for each core, one for each thread, and returns hardly any free memory from them.
    "MALLOC_ARENA_MAX": "2",
    # Setting it keeps glibc from raising its thresholds: parts of a video are mapped separately, and returned at once.
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
POLL_SECONDS = 1  # Prefect's default of 10 is too long after a click on "Run"


class WorkerService(Service):
    """Flow runs inherit its environment, with every address of the stack."""

    name = "worker"
    depends_on = frozenset({RegistrationService.name})

    def __init__(self, data_dir: DataDir, process_factory: ProcessFactory, variables: Mapping[str, str]) -> None:
        self.address = f"work pool {WORK_POOL}"
        self._scratch = data_dir.path("tmp")
        settings = {
            "PREFECT_WORKER_QUERY_SECONDS": str(POLL_SECONDS),
            # Seconds. For dead runs of other worker types; Prefect's minimum. Our worker has a setting of its own.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            **MALLOC_SETTINGS,
            "TMPDIR": str(self._scratch),  # the next start deletes what killed runs left
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
