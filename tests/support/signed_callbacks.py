"""Signed callbacks of both vendors, and an API with a real database that starts no runs."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from deployments.api.app import create_app
from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from tests.support.fake_prefect import FakePrefect
from videojobs.db import JobRepository, Lease, Submission, VideoJob
from videojobs.providers.base import Provider
from videojobs.states import RecoveryPoint, Stage

WEBHOOK_SECRET = "a-secret-of-the-account"


class FakeServices(Services):
    """Services with given blocks and a fake Prefect client."""

    def __init__(self, repository: JobRepository, *, webhook_secret: str | None = WEBHOOK_SECRET) -> None:
        super().__init__(ApiSettings())
        self._repository = repository
        self._webhook_secret = webhook_secret
        self.prefect = self.runs = FakePrefect()

    async def repository(self) -> JobRepository:
        return self._repository

    async def callback_secret(self, provider: Provider[Any], job: VideoJob) -> SecretStr | None:
        return None if self._webhook_secret is None else SecretStr(self._webhook_secret)


@dataclass(frozen=True)
class CallbackVendor:
    """A vendor, and the format of its callbacks."""

    provider: str
    stage: Stage
    prior_points: tuple[RecoveryPoint, ...]  # points that a job passes until it is submitted
    submitted_point: RecoveryPoint

    def report_body(self, vendor_id: str, **more: Any) -> bytes:
        report: dict[str, Any]
        if self.stage is Stage.LIP_SYNC:
            report = {"id": vendor_id, "status": "COMPLETED", "outputUrl": "https://example.com/1.mp4", "error": None}
        else:
            report = {"id": vendor_id, "idProject": 7, "processStatus": 1, "videoUrl": "https://example.com/1.mp4"}
        return json.dumps(report | more).encode()

    def signature_headers(self, body: bytes, *, secret: str = WEBHOOK_SECRET, age: float = 0) -> dict[str, str]:
        """The signature headers, as specified in each vendor's fact sheet."""
        if self.stage is Stage.LIP_SYNC:
            moment = int(time.time() - age)
            mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
            return {"Sync-Signature": f"t={moment},v1={mac.hexdigest()}"}
        inner = hashlib.md5(body).hexdigest()  # noqa: S324  # the vendor's algorithm
        return {"Callback-Sign": hashlib.md5((inner + secret).encode()).hexdigest()}  # noqa: S324


SYNC_SO = CallbackVendor("sync_so", Stage.LIP_SYNC, (RecoveryPoint.UPLOADED,), RecoveryPoint.LIP_SYNC_SUBMITTED)
GHOSTCUT = CallbackVendor(
    "ghostcut",
    Stage.TEXT_REMOVAL,
    (RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryPoint.LIP_SYNC_STORED),
    RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
)
VENDORS = (SYNC_SO, GHOSTCUT)


class CallbackClient:
    """Calls the API over ASGI."""

    def __init__(self, services: Services) -> None:
        transport = httpx.ASGITransport(create_app(services))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://api")

    async def send_callback(
        self, vendor: CallbackVendor, token: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        given = vendor.signature_headers(body) if headers is None else headers
        return await self.http.post(f"/callbacks/{vendor.provider}/{token}", content=body, headers=dict(given))


async def create_sent_submission(repository: JobRepository, lease: Lease, vendor: CallbackVendor) -> Submission:
    """A paid call that a run has just sent: its response is not recorded yet."""
    for point in vendor.prior_points:
        await repository.advance(lease, point)
    intent = await repository.create_intent(lease, vendor.stage, lambda _: b"{}", provider=vendor.provider)
    return intent.submission


async def job_records(repository: JobRepository, job_id: str, *, exclude_column: str = "") -> object:
    """All database records of a job, for comparisons. `exclude_column` leaves one column of its submissions out."""
    job = await repository.get_job(job_id)
    columns = [column.key for column in VideoJob.__table__.columns]
    rows = await repository.list_submissions(job_id)
    events = await repository.list_events(job_id)
    return (
        {name: getattr(job, name) for name in columns},
        [
            {
                column.key: getattr(row, column.key)
                for column in Submission.__table__.columns
                if column.key != exclude_column
            }
            for row in rows
        ],
        [(event.id, event.kind, event.detail) for event in events],
    )
