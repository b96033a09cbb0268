"""Which blocks a run uses. Runs carry these names; the secrets behind them are loaded where they are used."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect_aws import S3Bucket
from pydantic import BaseModel, ConfigDict, Field

from blocks.client_pool import BLOCK_CACHE, get_client_pool
from blocks.ghostcut import GhostCutCredentials
from blocks.job_database import JobDatabase
from blocks.sync_so import SyncSoCredentials
from videojobs.db import JobRepository
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.sync_so.client import SyncSoClient
from videojobs.storage.object_store import ObjectStore


class Connections(BaseModel):
    """Names of the blocks that a run works with. The defaults are the ones that `make deploy` creates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str = Field(
        "job-database",
        title="Job database",
        description="Name of a Job Database block.",
        json_schema_extra={"position": 0},
    )
    storage: str = Field(
        "video-storage", title="Storage", description="Name of an S3 Bucket block.", json_schema_extra={"position": 1}
    )
    sync_so: str = Field(
        "sync-so",
        title="Sync.so",
        description="Name of a Sync.so Credentials block.",
        json_schema_extra={"position": 2},
    )
    ghostcut: str = Field(
        "ghostcut",
        title="GhostCut",
        description="Name of a GhostCut Credentials block.",
        json_schema_extra={"position": 3},
    )

    async def repository(self) -> JobRepository:
        """The job state."""
        block = await BLOCK_CACHE.get(JobDatabase, self.database)
        return block.repository()

    async def store(self) -> ObjectStore:
        """The bucket that holds inputs and results."""
        block = await BLOCK_CACHE.get(S3Bucket, self.storage)
        return ObjectStore(block.credentials.get_client("s3"), block.bucket_name)

    @asynccontextmanager
    async def sync_so_client(self) -> AsyncIterator[SyncSoClient]:
        """Lip-sync."""
        async with get_client_pool().client(SyncSoCredentials, self.sync_so) as client:
            yield client

    @asynccontextmanager
    async def ghostcut_client(self) -> AsyncIterator[GhostCutClient]:
        """Text removal."""
        async with get_client_pool().client(GhostCutCredentials, self.ghostcut) as client:
            yield client
