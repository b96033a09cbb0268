"""A front door over real HTTP, on a real Postgres and a real object store; only Prefect is played."""

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

from deployments.environment import NOTHING_GIVEN
from deployments.gateway.app import create_app
from deployments.gateway.backing import Backing
from deployments.gateway.connections import Serving
from deployments.gateway.front import Front
from deployments.gateway.settings import Door
from deployments.local.stack import Stack
from deployments.storage import store_of
from tests.gateway.asgi import Broken, Kept
from tests.gateway.prefect import PlayedPrefect
from tests.ledger.conftest import job_id, ledger, opened
from videojobs.errors import LedgerUnavailable
from videojobs.ledger import Ledger, VideoJob, engine_for
from videojobs.ledger.tokens import Scope
from videojobs.media.store import ObjectStore

__all__ = ["job_id", "ledger", "opened"]


class Ground(Backing):
    """What the door stands on in these tests."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(Door())
        self._url = variables["DATABASE_URL"]
        self._store = store_of(variables)
        self.prefect = self.runs = PlayedPrefect()

    async def ledger(self) -> Ledger:
        return Ledger(engine_for(self._url))

    async def store(self, job: VideoJob | None = None) -> ObjectStore:
        return self._store


@dataclass
class OpenDoor:
    """One that is open, and what a test does with it."""

    address: str
    ground: Ground
    front: Front
    ledger: Ledger  # of the test's own event loop
    store: ObjectStore
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def prefect(self) -> PlayedPrefect:
        return self.ground.prefect

    async def token(self, user: str, *scopes: Scope) -> str:
        _, text = await self.ledger.create_token(user, scopes or (Scope.SUBMIT, Scope.READ), "a test")
        return text

    async def client(self, user: str, *scopes: Scope, **more: Any) -> httpx.AsyncClient:
        """A client with a token of this user."""
        headers = {"Authorization": f"Bearer {await self.token(user, *scopes)}"}
        return httpx.AsyncClient(base_url=self.address, headers=headers, timeout=60, **more)

    def left_of(self, user: str) -> list[str]:
        """What lies in the storage for a user, half-sent objects included."""
        prefix = f"users/{user}/"
        found = list(self.store.keys(prefix))
        try:
            pages = self.store.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.store.bucket, Prefix=prefix
            )
            return found + [item["Key"] for page in pages for item in page.get("Uploads", [])]
        except self.store.client.exceptions.NoSuchUpload:  # rclone's way to say that there is none
            return found


@pytest.fixture(scope="session")
async def ground_variables(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    data: Path = tmp_path_factory.mktemp("gateway")
    wanted = {"job_database", "object_store"}
    async with Stack(data=data, environment=NOTHING_GIVEN, wanted=wanted, keep=False) as stack:
        yield dict(stack.variables)


@pytest.fixture(scope="session")
async def database_url(ground_variables: dict[str, str]) -> str:
    """For the fixtures of the ledger's own tests."""
    return ground_variables["DATABASE_URL"]


@contextmanager
def open_door(variables: dict[str, str], **settings: object) -> Iterator[OpenDoor]:
    """A door in a thread with an event loop of its own, as in a process; `settings` are those of `Door`."""
    names = {f"VIDEOJOBS_GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        ground = Ground(variables)
        app = create_app(ground)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    serving = Serving(app, app.state.front.door, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(serving)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the door does not open"
            thread.join(0.02)
        [listening] = server.servers[0].sockets
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        ledger = Ledger(engine_for(variables["DATABASE_URL"]))
        yield OpenDoor(address, ground, app.state.front, ledger, store_of(variables))
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
async def shared_door(ground_variables: dict[str, str]) -> AsyncIterator[OpenDoor]:
    with open_door(ground_variables, start_again_seconds=0.1, look_seconds=0.05, heartbeat_seconds=0.3) as door:
        yield door


@pytest.fixture
def door(shared_door: OpenDoor) -> OpenDoor:
    """The usual one, with a Prefect that is there."""
    shared_door.ground.prefect = shared_door.ground.runs = PlayedPrefect()
    return shared_door


@pytest.fixture
def broken() -> Backing:
    return Broken(LedgerUnavailable("the job database on db-1 does not answer"))


@pytest.fixture
def log() -> Iterator[Kept]:
    kept, logger = Kept(), logging.getLogger("deployments.gateway")
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept
    logger.removeHandler(kept)
    logger.setLevel(level)


@pytest.fixture
def user() -> str:
    """Somebody whom no other test knows."""
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def http(door: OpenDoor, user: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that user."""
    async with await door.client(user) as client:
        yield client


async def until(condition: Callable[[], bool]) -> None:
    """Something that another thread brings about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
