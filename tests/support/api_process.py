"""`python -m tests.support.api_process PORT`: a real API process with Postgres (`DATABASE_URL`) and nothing else."""

import os
import sys

from deployments.api.app import create_app
from deployments.api.logging import configure_logging
from deployments.api.middleware.connection_limits import ServerConfig
from deployments.api.middleware.graceful_streams import GracefulServer
from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from tests.support.fake_prefect import FakePrefect
from videojobs.db import JobRepository, VideoJob, get_engine
from videojobs.errors import ConfigurationError
from videojobs.storage.object_store import ObjectStore


class PostgresServices(Services):
    """No Prefect, no storage."""

    def __init__(self, settings: ApiSettings) -> None:
        super().__init__(settings)
        self.runs = FakePrefect()

    async def repository(self) -> JobRepository:
        return JobRepository(get_engine(os.environ["DATABASE_URL"]))

    async def store(self, job: VideoJob | None = None) -> ObjectStore:
        raise ConfigurationError("this API has no storage")


def main() -> None:
    settings = ApiSettings()
    configure_logging(settings.log_format)
    app = create_app(PostgresServices(settings))
    config = ServerConfig(app, settings, host="127.0.0.1", port=int(sys.argv[1]), log_config=None)
    GracefulServer(config, app.state.shutting_down).run()


if __name__ == "__main__":
    main()
