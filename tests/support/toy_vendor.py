"""A lip-sync vendor that exists in tests only: its provider, its credentials block, its client and its emulator.

It shows what a package needs to add a vendor. Its result is its input video.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from blocks.client_pool import CredentialsBlock
from videojobs.errors import ConfigurationError, OutcomeUnknown, VendorUnavailable
from videojobs.pipeline.costs import Cost
from videojobs.providers.base import (
    CallbackEvent,
    CallbackRejected,
    Capabilities,
    Limit,
    PollTimings,
    Provider,
    ProviderLimits,
    StageInputs,
    VendorState,
    VendorStatus,
)
from videojobs.providers.lookup import Accepted, Inconclusive, Lookup, LookupResult, VendorRecord
from videojobs.requests.models import JobRequest
from videojobs.states import Stage

ENTRY_POINTS = "[videojobs.providers]\ntoy = tests.support.toy_vendor:ToyProvider\n"
SIGNATURE_HEADER = "toy-signature"


def write_distribution(folder: Path) -> None:
    """Write what an installed package has: a folder for PYTHONPATH with an entry point that names the provider."""
    info = folder / "toy_vendor-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-vendor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


# ---- the provider --------------------------------------------------------------------------------------------


class ToyClient:
    """The vendor's three calls."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def submit(self, body: bytes, key: str) -> str:
        try:
            response = await self._http.post("/jobs", content=body, headers={"idempotency-key": key})
        except httpx.HTTPError as error:
            raise OutcomeUnknown(f"no answer: {type(error).__name__}") from error
        return str(response.raise_for_status().json()["id"])

    async def jobs(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        try:
            response = await self._http.get("/jobs", params={"ids": ",".join(ids)})
        except httpx.HTTPError as error:
            raise VendorUnavailable(type(error).__name__) from error
        found: list[dict[str, Any]] = response.raise_for_status().json()
        return found


class ToyCredentials(CredentialsBlock):
    """Access to the toy vendor."""

    _block_type_slug = "toy-credentials"
    callback_secret_field: ClassVar[str] = "api_key"

    base_url: str
    api_key: SecretStr

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ToyClient]:
        async with httpx.AsyncClient(base_url=self.base_url) as http:
            yield ToyClient(http)


class ToyLimits(BaseSettings):
    """`VIDEOJOBS_SLOTS_TOY`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    slots_toy: int = Field(default=2, ge=1)


class ToyProvider(Provider[ToyClient]):
    key = "toy"
    display_name = "Toy Vendor"
    stage = Stage.LIP_SYNC
    capabilities = Capabilities(idempotent_retry=True)
    credentials_block = "tests.support.toy_vendor:ToyCredentials"
    limit_settings = ToyLimits
    worker_settings = ()
    max_callback_bytes = 1024

    @property
    def limits(self) -> ProviderLimits:
        return ProviderLimits(Limit("toy-jobs", ToyLimits().slots_toy), submits=Limit("toy-submits", 10))

    @property
    def poll_timings(self) -> PollTimings:
        return PollTimings(max_batch=10, initial_delay=0, min_delay=0.2, max_delay=1, delay_with_callback=60)

    async def check_account(self, client: ToyClient) -> str:
        if await client.jobs([]):
            raise ConfigurationError("it shows jobs that nobody asked for")
        return "no jobs"

    def estimate(self, request: JobRequest, seconds: float) -> Cost:
        return Cost(usd=Decimal("0.01"), seconds=seconds)

    def build_request(self, inputs: StageInputs, callback_url: str | None) -> bytes:
        return json.dumps({"video": inputs.video_url, "callback": callback_url}).encode()

    async def submit(self, client: ToyClient, body: bytes, idempotency_key: str) -> Accepted:
        vendor_id = await client.submit(body, idempotency_key)
        return Accepted(vendor_id, answer={"id": vendor_id}, metadata={"toy_id": vendor_id})

    async def find_submission(self, client: ToyClient, lookup: Lookup) -> LookupResult:
        return Inconclusive("it has no list")

    async def status(
        self, client: ToyClient, vendor_ids: Sequence[str], wait_seconds: int | None = None
    ) -> dict[str, VendorStatus]:
        return {row["id"]: _to_status(row) for row in await client.jobs(vendor_ids)}

    def source_url(self, body: bytes) -> str:
        return str(json.loads(body)["video"])

    async def read_record(self, client: ToyClient, vendor_id: str) -> VendorRecord | None:
        rows = await client.jobs([vendor_id])
        return VendorRecord(Accepted(vendor_id, answer={}), frozenset({rows[0]["video"]})) if rows else None

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, secret: SecretStr, now: datetime
    ) -> CallbackEvent:
        if not hmac.compare_digest(headers.get(SIGNATURE_HEADER, ""), sign(body, secret.get_secret_value())):
            raise CallbackRejected("not signed by the toy vendor")
        return CallbackEvent(str(json.loads(body)["id"]))


def _to_status(row: Mapping[str, Any]) -> VendorStatus:
    if not row["done"]:
        return VendorStatus(VendorState.RUNNING, progress=50)
    return VendorStatus(VendorState.DONE, response={"id": row["id"]}, result_url=row["result"])


# ---- the emulator --------------------------------------------------------------------------------------------


class ToyEmulator:
    """The vendor's server: it downloads the video, completes at once, and sends the callback."""

    def __init__(self, secret: str, result: bytes) -> None:
        self._secret, self.result = secret, result
        self.url = ""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.callback_statuses: list[int] = []

    def submit(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        if key not in self.jobs:
            self.jobs[key] = {"id": f"toy-{len(self.jobs)}", "done": False, "result": f"{self.url}/result.mp4", **body}
            threading.Thread(target=self._finish, args=[self.jobs[key]], daemon=True).start()
        return self.jobs[key]

    def find(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return [job for job in self.jobs.values() if job["id"] in ids]

    def _finish(self, job: dict[str, Any]) -> None:
        """Download the video, finish the job and report it."""
        httpx.get(job["video"]).raise_for_status()
        job["done"] = True
        body = json.dumps({"id": job["id"]}).encode()
        response = httpx.post(job["callback"], content=body, headers={SIGNATURE_HEADER: sign(body, self._secret)})
        self.callback_statuses.append(response.status_code)


@contextmanager
def run_toy_emulator(secret: str, result: bytes) -> Iterator[ToyEmulator]:
    emulator = ToyEmulator(secret, result)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._reply(json.dumps(emulator.submit(self.headers["idempotency-key"], body)).encode())

        def do_GET(self) -> None:
            path = httpx.URL(self.path)
            if path.path == "/result.mp4":
                self._reply(emulator.result)
            else:
                self._reply(json.dumps(emulator.find(path.params["ids"].split(","))).encode())

        def _reply(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    emulator.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield emulator
    finally:
        server.shutdown()
        server.server_close()
