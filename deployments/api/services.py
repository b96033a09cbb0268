"""What the front door stands on: the job state, the storage, the vendors' secrets, and a way to start runs.

All of it is found through blocks of the Prefect server. They are kept for a while, so that callbacks can be taken while
that server is away, as long as they start no run.
"""

import asyncio

from prefect_aws import S3Bucket
from pydantic import SecretStr

from blocks import Connections, GhostCutCredentials, JobDatabase, SyncSoCredentials
from blocks.block_cache import BlockCache
from deployments.api.prefect_runs import PrefectRuns
from deployments.api.settings import ApiSettings
from videojobs.db import JobRepository, VideoJob
from videojobs.storage.object_store import ObjectStore


class Services:
    """Reached through the blocks of the default names; a job's own are used where it was opened with others."""

    def __init__(self, settings: ApiSettings) -> None:
        self._block_names = Connections()
        self._block_cache = BlockCache(
            ttl_seconds=settings.block_cache_seconds, load_timeout=settings.block_load_timeout_seconds
        )
        self._stores: dict[str, tuple[S3Bucket, ObjectStore]] = {}  # by block name; making a client takes 50 ms
        self.runs = PrefectRuns(timeout_seconds=settings.callback_timeout_seconds)

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

    async def ghostcut_secret(self, job: VideoJob) -> SecretStr:
        """What GhostCut signs its callbacks about this job with."""
        names = Connections.model_validate(job.connections)
        block = await self._block_cache.get(GhostCutCredentials, names.ghostcut)
        return block.app_secret

    async def sync_so_secret(self, job: VideoJob) -> SecretStr | None:
        """What Sync.so signs its webhooks about this job with; None where nobody has entered it."""
        names = Connections.model_validate(job.connections)
        block = await self._block_cache.get(SyncSoCredentials, names.sync_so)
        return block.webhook_secret
