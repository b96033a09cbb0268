"""The Prefect server with its UI and all its services, on the stack's own Postgres."""

from deployments.local.services.postgres import PREFECT_DATABASE, PostgresService
from deployments.local.stack.data_dir import HOST, DataDir
from deployments.local.stack.probes import is_healthy
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

LOGIN_USER = "local"
"""Who signs in. Prefect knows one user only, and no rights."""


class PrefectServerService(Service):
    """Its home is `DATA/prefect`: the user's own profiles are neither read nor changed."""

    name = "prefect_server"
    depends_on = frozenset({PostgresService.name})

    def __init__(self, data_dir: DataDir, process_factory: ProcessFactory, postgres: PostgresService) -> None:
        port = data_dir.port(self.name)
        self.address = f"http://{HOST}:{port}"
        self._api = f"{self.address}/api"
        self._login = f"{LOGIN_USER}:{data_dir.secret('prefect_password')}"
        """Stays the same from one run to the next, so that a browser stays signed in."""
        home = data_dir.path("prefect")
        settings = {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self._api,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url(PREFECT_DATABASE).replace(
                "postgresql://", "postgresql+asyncpg://"
            ),
            # Its API hands out every credential and starts jobs that cost money: to nobody without the password. No
            # browser sends it by itself, as it does with a cookie, so other sites' pages cannot act in the user's name
            # either. So Prefect's protection against that (CSRF tokens, which a bare curl would need) stays off.
            "PREFECT_SERVER_API_AUTH_STRING": self._login,
            # Whose pages may read answers: those of the UI itself, under both names that this machine has for itself.
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"{self.address},http://localhost:{port}",
            "PREFECT_SERVER_UI_API_URL": self._api,
            # The default lies inside the installed package, which may be read-only or shared.
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # In memory, the default, a restart of the server would free every slot that a running job holds.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            # Of 15 connections Prefect keeps 5. With some jobs at once each of the others was opened for one request,
            # with a login, and every statement was parsed anew: a third of what Postgres did.
            "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "20",
            # Seconds between two looks at each subflow that runs, whether its parent was cancelled: three queries for
            # each job at GhostCut. Our worker stops both, so this is for jobs whose worker died. Prefect's own is 20.
            "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "600",
            # Prefect records task runs and events as they come, one and twenty in a transaction: a few in a second,
            # while many jobs make fifty. What comes is put into one transaction a second now.
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
        # Health needs no password. The first start makes the tables and copies the UI: 7 s, more on a busy machine.
        await self._server.wait_until_ready(lambda: is_healthy(f"{self._api}/health"), timeout=120)
