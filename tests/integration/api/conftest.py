"""An API over real HTTP, with a real Postgres and a real object store. Only Prefect is faked."""

import asyncio
import logging
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from deployments.api.app import create_app
from deployments.api.dependencies import AppState
from deployments.api.middleware.connection_limits import ServerConfig
from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from deployments.server.storage import object_store_from_env
from tests.integration.db.conftest import create_leased_job, job_id, repository
from tests.support.api_server import BrokenServices, LogCapture
from tests.support.fake_prefect import FakePrefect
from videojobs.db import JobRepository, VideoJob, get_engine
from videojobs.db.tokens import Scope
from videojobs.errors import DatabaseUnavailable
from videojobs.storage.object_store import ObjectStore

__all__ = ["create_leased_job", "job_id", "repository"]


class IntegrationServices(Services):
    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(ApiSettings())
        self._database_url = variables["DATABASE_URL"]
        self._store = object_store_from_env(variables)
        self.prefect = self.runs = FakePrefect()

    async def repository(self) -> JobRepository:
        return JobRepository(get_engine(self._database_url))

    async def store(self, job: VideoJob | None = None) -> ObjectStore:
        return self._store


@dataclass
class ApiServer:
    """A running API, and the operations that tests use."""

    base_url: str
    services: IntegrationServices
    app_state: AppState
    repository: JobRepository  # for the test's own event loop
    store: ObjectStore
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def prefect(self) -> FakePrefect:
        return self.services.prefect

    async def create_token(self, user: str, *scopes: Scope) -> str:
        _, text = await self.repository.create_token(user, scopes or (Scope.SUBMIT, Scope.READ), "a test")
        return text

    async def create_client(self, user: str, *scopes: Scope, **more: Any) -> httpx.AsyncClient:
        """A client with a token for this user."""
        headers = {"Authorization": f"Bearer {await self.create_token(user, *scopes)}"}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=60, **more)

    def stored_keys(self, user: str) -> list[str]:
        """The user's keys in the store, including unfinished uploads."""
        prefix = f"users/{user}/"
        found = list(self.store.list_keys(prefix))
        try:
            pages = self.store.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.store.bucket, Prefix=prefix
            )
            return found + [item["Key"] for page in pages for item in page.get("Uploads", [])]
        except self.store.client.exceptions.NoSuchUpload:  # rclone's response if there are none
            return found


@pytest.fixture(scope="session")
async def service_variables(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    data: Path = tmp_path_factory.mktemp("gateway")
    wanted = {"job_database", "object_store"}
    async with Stack(data=data, environment=EMPTY_ENVIRONMENT, services=wanted, keep_data=False) as stack:
        yield dict(stack.variables)


@pytest.fixture(scope="session")
async def database_url(service_variables: dict[str, str]) -> str:
    """For the fixtures of the db tests."""
    return service_variables["DATABASE_URL"]


@contextmanager
def run_api_server(variables: dict[str, str], **settings: object) -> Iterator[ApiServer]:
    """An API in a thread with its own event loop, as in a process. `variables` are fields of `ApiSettings`."""
    names = {f"VIDEOJOBS_API_{name.upper()}": str(value) for name, value in settings.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        services = IntegrationServices(variables)
        app = create_app(services)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    serving = ServerConfig(app, app.state.app_state.settings, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(serving)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API does not start"
            thread.join(0.02)
        [listening] = server.servers[0].sockets
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        repository = JobRepository(get_engine(variables["DATABASE_URL"]))
        yield ApiServer(address, services, app.state.app_state, repository, object_store_from_env(variables))
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
async def shared_api(service_variables: dict[str, str]) -> AsyncIterator[ApiServer]:
    with run_api_server(
        service_variables, launch_retry_seconds=0.1, job_poll_interval_seconds=0.05, heartbeat_seconds=0.3
    ) as api:
        yield api


@pytest.fixture
def api(shared_api: ApiServer) -> ApiServer:
    """The shared API, with a working Prefect client."""
    shared_api.services.prefect = shared_api.services.runs = FakePrefect()
    return shared_api


@pytest.fixture
def broken_services() -> Services:
    return BrokenServices(DatabaseUnavailable("the job database on db-1 does not answer"))


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    kept, logger = LogCapture(), logging.getLogger("deployments.api")
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept
    logger.removeHandler(kept)
    logger.setLevel(level)


@pytest.fixture
def user() -> str:
    """A user that only this test has."""
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def http(api: ApiServer, user: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client for that user."""
    async with await api.create_client(user) as client:
        yield client


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for an effect of another thread."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
