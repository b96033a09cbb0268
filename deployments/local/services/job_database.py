"""The job database, migrated to the newest schema."""

from urllib.parse import urlsplit

from deployments.local.services.postgres import JOBS_DATABASE, PostgresService
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service


class JobDatabaseService(Service):
    """A database of the stack's own Postgres, or the one of `DATABASE_URL`."""

    name = "job_database"

    def __init__(self, process_factory: ProcessFactory, *, external_url: str | None, postgres: PostgresService) -> None:
        self._url = external_url or postgres.url(JOBS_DATABASE)
        self.override_variable = "DATABASE_URL" if external_url else None
        self.depends_on = frozenset() if external_url else frozenset({postgres.name})
        url = urlsplit(self._url)
        self.address = f"{url.hostname}:{url.port or 5432}{url.path}"
        self._migrations = process_factory.create_module_process(
            self.name, "videojobs.db.migrate", variables=self.variables()
        )

    def variables(self) -> dict[str, str]:
        return {"DATABASE_URL": self._url}

    async def start(self) -> None:
        await self._migrations.run_checked()
