"""The API's dependencies: job database, storage, vendors' secrets, Prefect runs.

All are found through blocks of the Prefect server. Blocks are cached, so that callbacks that start no run are accepted
while that server is unavailable.
"""

import asyncio
from typing import Any

from prefect_aws import S3Bucket
from pydantic import SecretStr

from blocks import Connections, JobDatabase
from blocks.block_cache import BlockCache
from deployments.api.prefect_runs import PrefectRuns
from deployments.api.settings import ApiSettings
from videojobs.db import JobRepository, VideoJob
from videojobs.providers.base import Provider
from videojobs.storage.object_store import ObjectStore


class Services:
    """Uses the blocks with the default names, or those that a job was created with."""

    def __init__(self, settings: ApiSettings) -> None:
        self._block_names = Connections()
        self._block_cache = BlockCache(
            ttl_seconds=settings.block_cache_seconds, load_timeout=settings.block_load_timeout_seconds
        )
        self._stores: dict[str, tuple[S3Bucket, ObjectStore]] = {}  # by block name; creating a client takes 50 ms
        self.runs = PrefectRuns(timeout_seconds=settings.callback_timeout_seconds)

    @property
    def connections(self) -> dict[str, str]:
        """The block names of new jobs."""
        return self._block_names.model_dump()

    async def repository(self) -> JobRepository:
        """The job database."""
        block = await self._block_cache.get(JobDatabase, self._block_names.database)
        return block.repository()

    async def store(self, job: VideoJob | None = None) -> ObjectStore:
        """The bucket of this job; of new jobs if there is none."""
        name = Connections.for_job(job.connections).storage if job else self._block_names.storage
        block = await self._block_cache.get(S3Bucket, name)
        known = self._stores.get(name)
        if known is None or known[0] is not block:
            client = await asyncio.to_thread(block.credentials.get_client, "s3")
            known = self._stores[name] = (block, ObjectStore(client, block.bucket_name))
        return known[1]

    async def callback_secret(self, provider: Provider[Any], job: VideoJob) -> SecretStr | None:
        """The secret with which the provider signs callbacks about this job; None if it is not configured."""
        return await Connections.for_job(job.connections).callback_secret(provider, self._block_cache)
