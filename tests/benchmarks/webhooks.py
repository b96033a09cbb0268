"""Load check of webhooks: many deliveries to many endpoints, one of which never answers.

python -m tests.benchmarks.webhooks [--deliveries 10000] [--endpoints 100] [--dead 1 0]

One process sends, with the code of the API process; Postgres, the receiver and this program are on the same machine.
It runs once for each number of `--dead` endpoints, which accept connections and never answer. A lost message is an
error.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from videojobs.db import JobRepository, get_engine
from videojobs.db.engine import close_engines
from videojobs.webhooks.events import DEFAULT_EVENTS

ROOT: Final = Path(__file__).resolve().parents[2]
_RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
_DEADLINE_SECONDS: Final = 1800  # a busy machine sends 10 a second


@dataclass
class Receiver:
    """Answers /ok/... at once, and /dead never."""

    port: int = 0
    seconds_by_id: dict[str, float] = field(default_factory=dict)  # from the event to the first arrival
    arrivals: Counter[str] = field(default_factory=Counter)
    dead_requests: int = 0
    broken_requests: int = 0  # the sender gave up before it had sent everything

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = json.loads(await reader.readexactly(int(lines["content-length"])))
            if head.startswith("POST /dead"):
                self.dead_requests += 1
                await reader.read()  # until the sender gives up
                return
            message_id = lines["webhook-id"]
            self.arrivals[message_id] += 1
            happened = datetime.fromisoformat(body["timestamp"])
            self.seconds_by_id.setdefault(message_id, (datetime.now(UTC) - happened).total_seconds())
            writer.write(_RESPONSE)
            await writer.drain()
        except asyncio.IncompleteReadError:
            self.broken_requests += 1
        finally:
            writer.close()


@asynccontextmanager
async def run_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1000)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@contextmanager
def run_sender(database_url: str) -> Iterator[None]:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "VIDEOJOBS_ALLOW_PLAIN_HTTP": "true",
        "VIDEOJOBS_ALLOW_PRIVATE_INPUTS": "true",
    }
    command = [sys.executable, "-m", "tests.support.webhook_sender_process"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            yield
        finally:
            process.terminate()


async def measure(repository: JobRepository, database_url: str, deliveries: int, endpoints: int, dead: int) -> str:
    """One run: every event goes to every endpoint. Returns a row of the table. Raises if a message is lost."""
    user, events = f"load-{uuid.uuid4().hex[:8]}", deliveries // endpoints
    async with run_receiver() as receiver:
        base = f"http://127.0.0.1:{receiver.port}"
        for number in range(endpoints):
            url = f"{base}/dead" if number < dead else f"{base}/ok/{number}"
            await repository.create_webhook_endpoint(user, url, DEFAULT_EVENTS, "", limit=endpoints)
        with run_sender(database_url):
            began = time.monotonic()
            for _ in range(events):
                job_id = f"job-{uuid.uuid4()}"
                await repository.create_rejected(job_id, user_id=user, display_name=None, error="x", actor="load check")
            written = time.monotonic() - began
            expected = events * (endpoints - dead)
            async with asyncio.timeout(_DEADLINE_SECONDS):
                while len(receiver.seconds_by_id) < expected:  # noqa: ASYNC110  # another process causes the change
                    await asyncio.sleep(0.2)
            took = time.monotonic() - began
        waits = sorted(receiver.seconds_by_id.values())
        duplicates = sum(receiver.arrivals.values()) - len(waits)
        p50, p95 = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
        for endpoint in await repository.list_webhook_endpoints(user):
            await repository.delete_webhook_endpoint(user, endpoint.id)
    return (
        f"{dead} of {endpoints} dead: {len(waits)} of {expected} arrived, {duplicates} twice; events written in "
        f"{written:.0f} s, all arrived after {took:.0f} s ({len(waits) / took:.0f}/s); from event to arrival median "
        f"{p50:.1f} s, p95 {p95:.1f} s, max {waits[-1]:.1f} s; tries at dead ones: {receiver.dead_requests}, "
        f"broken off: {receiver.broken_requests}"
    )


async def main(deliveries: int, endpoints: int, dead_counts: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(data=Path(folder), environment=EMPTY_ENVIRONMENT, services={"job_database"}, keep_data=False)
        async with stack:
            url = stack.variables["DATABASE_URL"]
            repository = JobRepository(get_engine(url))
            print(f"load average before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
            for dead in dead_counts:
                print(await measure(repository, url, deliveries, endpoints, dead), flush=True)
            await close_engines()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--dead", type=int, nargs="+", default=[1, 0])
    options = parser.parse_args()
    asyncio.run(main(options.deliveries, options.endpoints, options.dead))
