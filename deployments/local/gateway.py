"""The front door: where the vendors' callbacks arrive."""

from collections.abc import Mapping

from deployments.local.folder import HOST, Folder
from deployments.local.launcher import Launcher
from deployments.local.part import Part
from deployments.local.probes import is_healthy
from deployments.local.registration import Registration


class Gateway(Part):
    """Works with the blocks that the registration makes. Vendors that are not `near` cannot reach it."""

    name = "gateway"
    needs = frozenset({Registration.name})

    def __init__(self, folder: Folder, launcher: Launcher, variables: Mapping[str, str], *, near: bool) -> None:
        port = folder.port(self.name)
        self.address = f"http://{HOST}:{port}"
        self._near = near
        settings = {
            "VIDEOJOBS_GATEWAY_HOST": HOST,
            "VIDEOJOBS_GATEWAY_PORT": str(port),
            "VIDEOJOBS_GATEWAY_DRAIN_SECONDS": "5",  # a person who has just pressed Ctrl-C waits
        }
        self._server = self.process = launcher.module(
            self.name, "deployments.gateway", variables={**variables, **settings}
        )

    def variables(self) -> dict[str, str]:
        return {"VIDEOJOBS_PUBLIC_URL": self.address} if self._near else {}

    async def start(self) -> None:
        await self._server.start()
        await self._server.until(lambda: is_healthy(f"{self.address}/healthz"), patience=60)
