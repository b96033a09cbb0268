"""The two vendors as the door sees them, and a door on a real ledger that starts no runs."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from deployments.gateway.app import create_app
from deployments.gateway.backing import Backing
from deployments.gateway.settings import Door
from tests.gateway.prefect import PlayedPrefect
from videojobs.ledger import Lease, Ledger, Submission, VideoJob
from videojobs.states import Point, Stage

SECRET = "a-secret-of-the-account"


class OnTheLedger(Backing):
    """Blocks are given, and Prefect is played."""

    def __init__(self, ledger: Ledger, *, webhook_secret: str | None = SECRET) -> None:
        super().__init__(Door())
        self._ledger = ledger
        self._webhook_secret = webhook_secret
        self.prefect = self.runs = PlayedPrefect()

    async def ledger(self) -> Ledger:
        return self._ledger

    async def ghostcut_secret(self, job: VideoJob) -> SecretStr:
        return SecretStr(SECRET)

    async def sync_so_secret(self, job: VideoJob) -> SecretStr | None:
        return None if self._webhook_secret is None else SecretStr(self._webhook_secret)


@dataclass(frozen=True)
class Vendor:
    """How one of them calls back."""

    name: str
    stage: Stage
    before: tuple[Point, ...]  # that a job passes until it is submitted
    submitted: Point

    def body(self, vendor_id: str, **more: Any) -> bytes:
        report: dict[str, Any]
        if self.stage is Stage.LIP_SYNC:
            report = {"id": vendor_id, "status": "COMPLETED", "outputUrl": "https://example.com/1.mp4", "error": None}
        else:
            report = {"id": vendor_id, "idProject": 7, "processStatus": 1, "videoUrl": "https://example.com/1.mp4"}
        return json.dumps(report | more).encode()

    def signed(self, body: bytes, *, secret: str = SECRET, age: float = 0) -> dict[str, str]:
        """The headers, as each vendor's fact sheet writes them down."""
        if self.stage is Stage.LIP_SYNC:
            moment = int(time.time() - age)
            mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
            return {"Sync-Signature": f"t={moment},v1={mac.hexdigest()}"}
        inner = hashlib.md5(body).hexdigest()  # noqa: S324  # the vendor's choice
        return {"Callback-Sign": hashlib.md5((inner + secret).encode()).hexdigest()}  # noqa: S324


SYNC_SO = Vendor("sync-so", Stage.LIP_SYNC, (Point.UPLOADED,), Point.LIP_SYNC_SUBMITTED)
GHOSTCUT = Vendor(
    "ghostcut",
    Stage.TEXT_REMOVAL,
    (Point.UPLOADED, Point.LIP_SYNC_SUBMITTED, Point.LIP_SYNC_STORED),
    Point.TEXT_REMOVAL_SUBMITTED,
)
VENDORS = (SYNC_SO, GHOSTCUT)


class Caller:
    """Calls the door over ASGI."""

    def __init__(self, backing: Backing) -> None:
        transport = httpx.ASGITransport(create_app(backing))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://door")

    async def call(
        self, vendor: Vendor, token: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        given = vendor.signed(body) if headers is None else headers
        return await self.http.post(f"/callbacks/{vendor.name}/{token}", content=body, headers=dict(given))


async def submitted(ledger: Ledger, lease: Lease, vendor: Vendor) -> Submission:
    """A paid call that a run has just sent: its answer is not on the books yet."""
    for point in vendor.before:
        await ledger.advance(lease, point)
    intent = await ledger.intend(lease, vendor.stage, lambda _: b"{}")
    return intent.submission


async def books(ledger: Ledger, job_id: str, *, but: str = "") -> object:
    """All that is on the books about a job, to be compared; `but` one column of its submissions."""
    job = await ledger.job(job_id)
    columns = [column.key for column in VideoJob.__table__.columns]
    rows = await ledger.submissions(job_id)
    events = await ledger.events(job_id)
    return (
        {name: getattr(job, name) for name in columns},
        [
            {column.key: getattr(row, column.key) for column in Submission.__table__.columns if column.key != but}
            for row in rows
        ],
        [(event.id, event.kind, event.detail) for event in events],
    )
