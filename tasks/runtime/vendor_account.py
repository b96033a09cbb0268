"""A vendor's account: the provider, the client of the block that the job names, and the rate limits of its requests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from blocks import Connections
from tasks.runtime.concurrency import rate_limit
from videojobs.db import JobRepository, Submission
from videojobs.providers.base import Provider, VendorStatus
from videojobs.providers.lookup import Accepted, Lookup, LookupResult


class VendorAccount:
    """Calls of one provider through one block. Requests wait for the provider's rate limits, except where noted."""

    def __init__(self, provider: Provider[Any], connections: Connections) -> None:
        self.provider = provider
        self.block_name = connections.block_name(provider.key)
        self._connections = connections

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        async with self._connections.provider_client(self.provider) as client:
            yield client

    async def pace_submit(self) -> None:
        await rate_limit(self.provider.limits.submits.name)

    async def pace_read(self) -> None:
        if self.provider.limits.reads is not None:
            await rate_limit(self.provider.limits.reads.name)

    async def submit(self, submission: Submission) -> Accepted:
        """The paid call. The caller awaits `pace_submit` before it commits the intent, which ages from then on."""
        async with self.client() as client:
            return await self.provider.submit(client, submission.request_body, submission.idempotency_key)

    async def find(self, repository: JobRepository, submission: Submission) -> LookupResult:
        """The lookup paces itself: lists are the vendor's expensive requests, so they count as submits where the
        provider has no limit for reads."""
        pace = self.pace_read if self.provider.limits.reads is not None else self.pace_submit
        async with self.client() as client:
            return await self.provider.find_submission(client, Lookup(submission, repository, pace))

    async def status(self, vendor_ids: Sequence[str]) -> dict[str, VendorStatus]:
        await self.pace_read()
        return await self.query(vendor_ids)

    async def query(self, vendor_ids: Sequence[str], wait_seconds: int | None = None) -> dict[str, VendorStatus]:
        """As `status`, without waiting for the rate limit."""
        async with self.client() as client:
            return await self.provider.status(client, vendor_ids, wait_seconds)

    async def progress(self, vendor_id: str) -> float | None:
        await self.pace_read()
        async with self.client() as client:
            return await self.provider.progress(client, vendor_id)

    async def result_url(self, vendor_id: str, status: VendorStatus) -> str | None:
        if status.result_url is None:
            await self.pace_read()
        async with self.client() as client:
            return await self.provider.result_url(client, vendor_id, status)
