"""The Postgres database that holds the job state."""

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from videojobs.db import JobRepository, get_engine


class JobDatabase(Block):
    """The Postgres database that holds the state of all jobs."""

    _block_type_name = "Job Database"
    _block_type_slug = "job-database"
    _description = "The Postgres database that holds the state of all jobs."
    _documentation_url = "https://www.postgresql.org/docs/current/libpq-connect.html"  # type: ignore[assignment]  # Prefect's type is a URL

    url: SecretStr = Field(
        title="URL", description="postgresql://user:password@host:port/name, with the migrations applied."
    )

    def repository(self) -> JobRepository:
        """The job repository on this database; all jobs of this event loop share its connections."""
        return JobRepository(get_engine(self.url.get_secret_value()))
