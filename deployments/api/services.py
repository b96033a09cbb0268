"""What the front door stands on: the job state, the storage, the vendors' secrets, and a way to start runs.

All of it is found through blocks of the Prefect server. They are kept for a while, so that callbacks can be taken while
that server is away, as long as they start no run.
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
    """Reached through the blocks of the default names; a job's own are used where it was opened with others."""

    def __init__(self, settings: ApiSettings) -> None:
        self._block_names = Connections()
        self._block_cache = BlockCache(ttl_seconds=settings.block_seconds, load_timeout=settings.load_seconds)
        self._stores: dict[str, tuple[S3Bucket, ObjectStore]] = {}  # by block name; making a client takes 50 ms
        self.runs = PrefectRuns(timeout_seconds=settings.answer_seconds)

    @property
    def connections(self) -> dict[str, str]:
        """The blocks that new jobs are opened with, by name."""
        return self._block_names.model_dump()

    async def repository(self) -> JobRepository:
        """The job state."""
        block = await self._block_cache.get(JobDatabase, self._block_names.database)
        return block.repository()

    async def store(self, job: VideoJob | None = None) -> ObjectStore:
        """The bucket of new jobs, or that of this one."""
        name = Connections.model_validate(job.connections).storage if job else self._block_names.storage
        block = await self._block_cache.get(S3Bucket, name)
        known = self._stores.get(name)
        if known is None or known[0] is not block:
            client = await asyncio.to_thread(block.credentials.get_client, "s3")
            known = self._stores[name] = (block, ObjectStore(client, block.bucket_name))
        return known[1]

    async def callback_secret(self, provider: Provider[Any], job: VideoJob) -> SecretStr | None:
        """What the provider signs its callbacks about this job with; None where its block has no secret."""
        return await Connections.model_validate(job.connections).callback_secret(provider, self._block_cache)
