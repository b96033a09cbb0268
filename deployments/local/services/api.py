"""The HTTP API: clients' requests and the vendors' callbacks, with a token for the user of this machine."""

from collections.abc import Mapping

from deployments.local.services.registration import RegistrationService
from deployments.local.stack.data_dir import HOST, DataDir
from deployments.local.stack.probes import is_healthy
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service
from videojobs.db import JobRepository, get_engine
from videojobs.db.engine import close_engines
from videojobs.db.tokens import VISIBLE_PREFIX, Scope

LOCAL_USER = "local"
"""The token's user, an admin: runs that were started in Prefect belong to the user that their form names."""


class ApiService(Service):
    """Uses the blocks that the registration creates. Only vendors on this machine can reach it."""

    name = "api"
    depends_on = frozenset({RegistrationService.name})

    def __init__(
        self, data_dir: DataDir, process_factory: ProcessFactory, variables: Mapping[str, str], *, vendors_local: bool
    ) -> None:
        port = data_dir.port(self.name)
        self.address = f"http://{HOST}:{port}"
        self._vendors_local = vendors_local
        self._database_url = variables["DATABASE_URL"]
        self.token = VISIBLE_PREFIX + data_dir.secret("front_door_token")
        """The same in every run of the stack."""
        self._is_token_stored = False
        settings = {
            "VIDEOJOBS_API_HOST": HOST,
            "VIDEOJOBS_API_PORT": str(port),
            "VIDEOJOBS_API_DRAIN_SECONDS": "5",  # the user waits after Ctrl-C
        }
        self._server = self.process = process_factory.create_module_process(
            self.name, "deployments.api", variables={**variables, **settings}
        )

    def variables(self) -> dict[str, str]:
        return {"VIDEOJOBS_PUBLIC_URL": self.address} if self._vendors_local else {}

    async def start(self) -> None:
        await self._server.start()
        if not self._is_token_stored:
            await self._import_token()
        await self._server.wait_until_ready(lambda: is_healthy(f"{self.address}/healthz"), timeout=60)

    async def _import_token(self) -> None:
        """Store the token's hash in the database, once; a revoked token stays revoked."""
        try:
            repository = JobRepository(get_engine(self._database_url))
            await repository.import_token(self.token, LOCAL_USER, [Scope.ADMIN], "made by the local stack")
            self._is_token_stored = True
        finally:
            await close_engines()
