"""The job state's database, brought to the newest schema."""

from urllib.parse import urlsplit

from deployments.local.launcher import Launcher
from deployments.local.part import Part
from deployments.local.postgres import JOBS, Postgres


class JobDatabase(Part):
    """A database of the stack's own Postgres, or the one that `DATABASE_URL` gives."""

    name = "job_database"

    def __init__(self, launcher: Launcher, *, given: str | None, postgres: Postgres) -> None:
        self._url = given or postgres.url(JOBS)
        self.given_by = "DATABASE_URL" if given else None
        self.needs = frozenset() if given else frozenset({postgres.name})
        url = urlsplit(self._url)
        self.address = f"{url.hostname}:{url.port or 5432}{url.path}"
        self._migrations = launcher.module(self.name, "videojobs.ledger.migrate", variables=self.variables())

    def variables(self) -> dict[str, str]:
        return {"DATABASE_URL": self._url}

    async def start(self) -> None:
        await self._migrations.succeed()
