"""The front door: clients' requests and the vendors' callbacks, with a token for who works on this machine."""

from collections.abc import Mapping

from deployments.local.folder import HOST, Folder
from deployments.local.launcher import Launcher
from deployments.local.part import Part
from deployments.local.probes import is_healthy
from deployments.local.registration import Registration
from videojobs.ledger import Ledger, engine_for
from videojobs.ledger.connection import close_engines
from videojobs.ledger.tokens import PREFIX, Scope

USER = "local"
"""Whose token it is. An admin's: runs that were started in Prefect belong to whomever their form says."""


class Gateway(Part):
    """Works with the blocks that the registration makes. Vendors that are not `near` cannot reach it."""

    name = "gateway"
    needs = frozenset({Registration.name})

    def __init__(self, folder: Folder, launcher: Launcher, variables: Mapping[str, str], *, near: bool) -> None:
        port = folder.port(self.name)
        self.address = f"http://{HOST}:{port}"
        self._near = near
        self._database_url = variables["DATABASE_URL"]
        self.token = PREFIX + folder.secret("front_door_token")
        """Stays the same from one run to the next."""
        self._is_token_kept = False
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
        if not self._is_token_kept:
            await self._keep_token()
        await self._server.until(lambda: is_healthy(f"{self.address}/healthz"), patience=60)

    async def _keep_token(self) -> None:
        """Once its text is in the database as a hash, it stays there; a revoked one stays revoked."""
        try:
            ledger = Ledger(engine_for(self._database_url))
            await ledger.keep_token(self.token, USER, [Scope.ADMIN], "made by the local stack")
            self._is_token_kept = True
        finally:
            await close_engines()
