"""The front door over real HTTP, on a real Postgres. Storage and Prefect stand aside: what is asked of them is noted."""

import socket
import threading
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import boto3
import httpx
import uvicorn
from botocore.config import Config

from deployments.gateway.app import create_app
from deployments.gateway.backing import Backing
from deployments.gateway.runs import Runs, Stopping
from deployments.gateway.settings import Door
from tests.ledger.conftest import a_request
from videojobs.intake import parse_request
from videojobs.ledger import Lease, Ledger, VideoJob, engine_for
from videojobs.ledger.tokens import Scope
from videojobs.media.store import ObjectStore

STORAGE = "http://storage.test:9000"


class NotedRuns(Runs):
    """Prefect, as far as somebody can tell who only asks it for something."""

    def __init__(self) -> None:
        super().__init__(patience=1)
        self.asked: list[tuple[str, str]] = []

    async def check(self) -> None:
        return

    async def start(self, job: VideoJob) -> UUID:
        self.asked.append(("start", job.id))
        return uuid.uuid4()

    async def stop(self, job: VideoJob) -> Sequence[Stopping]:
        self.asked.append(("stop", job.id))
        return []

    async def go_on(self, job: VideoJob, reason: str) -> UUID:
        self.asked.append(("go on", job.id))
        return uuid.uuid4()


class OnPostgres(Backing):
    """All that a page needs: the job state, and links that are signed without asking anybody."""

    def __init__(self, database_url: str, door: Door) -> None:
        super().__init__(door)
        self._database_url = database_url
        self.runs = NotedRuns()
        client = boto3.client(
            "s3",
            endpoint_url=STORAGE,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        self._bucket = ObjectStore(client, "videojobs")

    async def ledger(self) -> Ledger:
        return Ledger(engine_for(self._database_url))

    async def store(self, job: VideoJob | None = None) -> ObjectStore:
        return self._bucket


@dataclass
class OpenDoor:
    """What a test does with it."""

    address: str
    ledger: Ledger
    runs: NotedRuns
    _tokens: dict[tuple[str, ...], str] = field(default_factory=dict)

    async def token(self, user: str, *scopes: Scope) -> str:
        """One that this user got."""
        wanted = scopes or (Scope.SUBMIT, Scope.READ)
        key = (user, *wanted)
        if key not in self._tokens:
            self._tokens[key] = (await self.ledger.create_token(user, wanted, "test"))[1]
        return self._tokens[key]

    async def browser(self, user: str, *scopes: Scope) -> httpx.AsyncClient:
        """Somebody who is signed in, and whose browser tells where requests come from."""
        return httpx.AsyncClient(
            base_url=self.address, cookies={"token": await self.token(user, *scopes)}, headers={"Origin": self.address}
        )

    async def job(self, user: str = "ada", *, name: str = "A job", areas: int = 0) -> str:
        """A job that came in a moment ago."""
        request = a_request(areas=areas, name=name)
        job_id = f"job-{uuid.uuid4()}"
        mine = parse_request({**request.model_dump(mode="json", exclude_none=True), "user_id": user})
        await self.ledger.open(job_id, mine, actor="test")
        return job_id

    async def taken_up(self, job_id: str) -> Lease:
        """A run works on it."""
        lease = Lease(job_id, f"{uuid.uuid4()}/1")
        assert await self.ledger.claim(lease, seconds=60) is None
        return lease


@asynccontextmanager
async def open_door(database_url: str) -> AsyncIterator[OpenDoor]:
    """Served on a port of this machine, in a thread of its own."""
    door = Door()
    backing = OnPostgres(database_url, door)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(backing), log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await _until_up(address)
        try:
            yield OpenDoor(address, Ledger(engine_for(database_url)), backing.runs)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


async def _until_up(address: str) -> None:
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=5)) as http:
        (await http.get(f"{address}/healthz")).raise_for_status()


def facts(seconds: float = 10.0) -> dict[str, Any]:
    """What is measured on a job's files."""
    video = {"duration": seconds, "width": 640, "height": 360, "frame_rate": 25.0, "container": "mp4", "size": 1}
    return {
        "inputs": {"video": "s3://videojobs/video.mp4", "audio": {"audio-1": "s3://videojobs/1.wav"}},
        "video": video,
        "audio": {"audio-1": {"duration": 2.0, "container": "wav", "size": 1}},
    }


