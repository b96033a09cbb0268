"""The Prefect server with its UI and all its services, on the stack's own Postgres."""

from deployments.local.services.postgres import PREFECT_DATABASE, PostgresService
from deployments.local.stack.data_dir import HOST, DataDir
from deployments.local.stack.probes import is_healthy
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

LOGIN_USER = "local"
"""Prefect has one user only, and no permissions."""


class PrefectServerService(Service):
    """Its home is `DATA/prefect`: the user's own profiles are not used."""

    name = "prefect_server"
    depends_on = frozenset({PostgresService.name})

    def __init__(self, data_dir: DataDir, process_factory: ProcessFactory, postgres: PostgresService) -> None:
        port = data_dir.port(self.name)
        self.address = f"http://{HOST}:{port}"
        self._api = f"{self.address}/api"
        self._login = f"{LOGIN_USER}:{data_dir.secret('prefect_password')}"
        """The same in every run of the stack, so that a browser stays signed in."""
        home = data_dir.path("prefect")
        settings = {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self._api,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url(PREFECT_DATABASE).replace(
                "postgresql://", "postgresql+asyncpg://"
            ),
            # The API returns every credential and starts jobs that cost money, so it needs a password. Browsers do not
            # send it by themselves, as they do cookies, so other sites' pages cannot act for the user. That is why
            # Prefect's CSRF tokens, which a plain curl would need too, stay off.
            "PREFECT_SERVER_API_AUTH_STRING": self._login,
            # Only the UI's own pages may read responses, under both names of this machine.
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"{self.address},http://localhost:{port}",
            "PREFECT_SERVER_UI_API_URL": self._api,
            # The default is inside the installed package, which may be read-only or shared.
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # In memory, the default, a restart of the server would free every slot that a running job holds.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # Prefect keeps 5 of 15 connections open. With several concurrent jobs the others were opened for one
            # request each, with a login and newly parsed statements: a third of Postgres's work.
            "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "20",
            # Interval of the check whether a running subflow's parent was cancelled: three queries for each job at
            # GhostCut. Our worker stops both, so this is for jobs whose worker died. Prefect's default is 20.
            "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "600",
            # By default one task run or twenty events make a transaction: a few in a second, while many jobs produce
            # fifty. Now there is one transaction a second.
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
        }
        self._server = self.process = process_factory.create_module_process(
            self.name, "prefect", "server", "start", "--host", HOST, "--port", str(port), variables=settings
        )

    def variables(self) -> dict[str, str]:
        return {"PREFECT_API_URL": self._api, "PREFECT_API_AUTH_STRING": self._login}

    async def start(self) -> None:
        await self._server.start()
        # Health needs no password. The first start creates the tables and copies the UI: 7 s, more on a busy machine.
        await self._server.wait_until_ready(lambda: is_healthy(f"{self._api}/health"), timeout=300)
