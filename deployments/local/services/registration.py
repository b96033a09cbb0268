"""Registers work pool, limits, block types, blocks and deployments with the Prefect server."""

from collections.abc import Mapping

from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

WORK_POOL = "video-jobs"


class RegistrationService(Service):
    """A command that runs once. It depends on the services whose addresses go into blocks."""

    name = "registration"
    depends_on = frozenset({"prefect_server", "job_database", "object_store", "sync_so", "ghostcut"})
    address = "done"

    def __init__(self, process_factory: ProcessFactory, variables: Mapping[str, str]) -> None:
        self._command = process_factory.create_module_process(
            self.name,
            "deployments.server.register",
            # Its own worker serves one pool; `.env` may name those of a production server.
            variables={**variables, "VIDEOJOBS_WORK_POOL": WORK_POOL, "VIDEOJOBS_LECTURE_WORK_POOL": WORK_POOL},
        )

    async def start(self) -> None:
        await self._command.run_checked()
