"""Brings the Prefect server to the wanted state: work pool, limits, block types, blocks, deployments."""

from collections.abc import Mapping

from deployments.local.launcher import Launcher
from deployments.local.part import Part


class Registration(Part):
    """A step rather than a program: it is done when it is ready. It needs the parts whose addresses go into blocks."""

    name = "registration"
    needs = frozenset({"prefect_server", "job_database", "object_store", "sync_so", "ghostcut"})
    address = "done"

    def __init__(self, launcher: Launcher, variables: Mapping[str, str]) -> None:
        self._command = launcher.module(self.name, "deployments.register", variables=variables)

    async def start(self) -> None:
        await self._command.succeed()
