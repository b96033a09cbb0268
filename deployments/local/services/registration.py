"""Brings the Prefect server to the wanted state: work pool, limits, block types, blocks, deployments."""

from collections.abc import Mapping

from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service


class RegistrationService(Service):
    """A step rather than a program: it is done when it is ready. It needs the parts whose addresses go into blocks."""

    name = "registration"
    depends_on = frozenset({"prefect_server", "job_database", "object_store", "sync_so", "ghostcut"})
    address = "done"

    def __init__(self, process_factory: ProcessFactory, variables: Mapping[str, str]) -> None:
        self._command = process_factory.create_module_process(
            self.name, "deployments.server.register", variables=variables
        )

    async def start(self) -> None:
        await self._command.run_checked()
