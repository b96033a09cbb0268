"""Real processes are killed around each commit and send of a webhook: it arrives at least once, and is never lost."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.integration.db.conftest import make_request
from tests.support.webhook_receiver import WebhookReceiver, run_webhook_receiver
from videojobs.db import JobRepository, Lease, get_engine
from videojobs.db.engine import driver_url
from videojobs.db.migrate import upgrade
from videojobs.db.webhook_deliveries import FAULT_JOB
from videojobs.db.webhook_models import WebhookEndpoint
from videojobs.testing.fault_injection import DELIVERY_POINTS
from videojobs.webhooks.events import DEFAULT_EVENTS

ROOT: Final = Path(__file__).resolve().parents[3]
START_SECONDS: Final = 120  # an API process imports for seconds, and on a busy machine for most of a minute
FAIL_A_JOB: Final = """
import asyncio, os, sys
from videojobs.db import JobRepository, Lease, get_engine

async def main():
    repository = JobRepository(get_engine(os.environ["DATABASE_URL"]))
    await repository.fail(Lease(sys.argv[1], "run-1/1"), "the video is black")

asyncio.run(main())
"""


@pytest.fixture
def own_database(database_url: str) -> Iterator[str]:
    """No other process sends what is in it."""
    name = f"webhooks_{uuid.uuid4().hex}"
    server = create_engine(driver_url(database_url), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        yield url
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
async def own_repository(own_database: str) -> AsyncIterator[JobRepository]:
    engine = get_engine(own_database)
    yield JobRepository(engine)
    await engine.dispose()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with run_webhook_receiver() as running:
        yield running


@pytest.fixture
async def endpoint(own_repository: JobRepository, receiver: WebhookReceiver) -> WebhookEndpoint:
    return await own_repository.create_webhook_endpoint("ada", f"{receiver.url}/ok", DEFAULT_EVENTS, "", limit=20)


@pytest.fixture
def environment(own_database: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": own_database,
        "VIDEOJOBS_FAULT_DIR": str(tmp_path),
        "VIDEOJOBS_ALLOW_PLAIN_HTTP": "true",
        "VIDEOJOBS_ALLOW_PRIVATE_INPUTS": "true",
        "VIDEOJOBS_WEBHOOK_POLL_SECONDS": "0.1",
    }


def arm(tmp_path: Path, job_id: str, point: str) -> None:
    (tmp_path / f"{job_id}.json").write_text(json.dumps({"point": point, "nth": 1, "action": "kill"}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_process(environment: dict[str, str], *module_and_options: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", *module_and_options]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_sender(environment: dict[str, str]) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """Only the part of the API process that sends: it starts in a tenth of the time."""
    return run_process(environment, "tests.support.webhook_sender_process")


def run_api(environment: dict[str, str]) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    return run_process(environment, "tests.support.api_process", str(_free_port()))


async def create_started_job(repository: JobRepository) -> str:
    job_id = f"job-{uuid.uuid4()}"
    await repository.create(job_id, make_request(), actor="test")
    assert await repository.acquire_lease(Lease(job_id, "run-1/1"), 3600) is None
    return job_id


async def expire_claims(database_url: str) -> None:
    """As if the claim of the killed process had ended; otherwise the test would wait for 45 s."""
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'"))


async def wait_until_delivered(repository: JobRepository, count: int) -> set[str]:
    async with asyncio.timeout(START_SECONDS):
        while True:
            found = await repository.list_webhook_deliveries(None, limit=100)
            if len(found) == count and {item.state for item in found} == {"delivered"}:
                return {item.id for item in found}
            await asyncio.sleep(0.1)


StartProcess = Callable[[dict[str, str]], AbstractContextManager["subprocess.Popen[bytes]"]]


@pytest.mark.parametrize(
    ("point", "start"), [*((point, run_sender) for point in DELIVERY_POINTS), ("webhook.send.after_call", run_api)]
)
async def test_a_sender_that_is_killed_loses_nothing(
    own_repository: JobRepository,
    own_database: str,
    endpoint: WebhookEndpoint,
    environment: dict[str, str],
    receiver: WebhookReceiver,
    tmp_path: Path,
    point: str,
    start: StartProcess,
) -> None:
    job_id = await create_started_job(own_repository)
    await own_repository.fail(Lease(job_id, "run-1/1"), "the video is black")
    arm(tmp_path, FAULT_JOB if "claim" in point else job_id, point)
    with start(environment) as process:
        assert await asyncio.to_thread(process.wait, START_SECONDS) == -signal.SIGKILL
    await expire_claims(own_database)
    with start(environment):
        delivered = await wait_until_delivered(own_repository, 2)
    received = [item.id for item in receiver.received]
    assert set(received) == delivered
    assert all(received.count(delivery_id) <= 2 for delivery_id in delivered)
    assert {item.verify(endpoint.secret)["type"] for item in receiver.received} == {"job.started", "job.failed"}


@pytest.mark.parametrize(("when", "told"), [("before", ["job.started"]), ("after", ["job.failed", "job.started"])])
async def test_a_worker_that_is_killed_tells_what_it_committed(
    own_repository: JobRepository,
    endpoint: WebhookEndpoint,
    environment: dict[str, str],
    receiver: WebhookReceiver,
    tmp_path: Path,
    when: str,
    told: list[str],
) -> None:
    job_id = await create_started_job(own_repository)
    arm(tmp_path, job_id, f"db.fail.{when}_commit")
    command = [sys.executable, "-c", FAIL_A_JOB, job_id]
    killed = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=environment, check=False, timeout=START_SECONDS
    )
    assert killed.returncode == -signal.SIGKILL
    assert (await own_repository.get_job(job_id)).status == ("failed" if when == "after" else "processing")
    with run_sender(environment):
        await wait_until_delivered(own_repository, len(told))
    assert sorted(item.body["type"] for item in receiver.received) == told
