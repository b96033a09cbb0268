"""Which blocks a run uses. Runs carry these names; the secrets behind them are loaded where they are used."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect_aws import S3Bucket
from pydantic import BaseModel, ConfigDict, Field

from blocks.ghostcut import GhostCutCredentials
from blocks.job_database import JobDatabase
from blocks.sync_so import SyncSoCredentials
from videojobs.ledger import Ledger
from videojobs.media.store import ObjectStore
from videojobs.vendors.ghostcut.client import GhostCutClient
from videojobs.vendors.sync_so.client import SyncSoClient


class Connections(BaseModel):
    """Names of the blocks that a run works with. The defaults are the ones that `make register` creates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str = Field("job-database", title="Job database", description="Name of a Job Database block.")
    storage: str = Field("video-storage", title="Storage", description="Name of an S3 Bucket block.")
    sync_so: str = Field("sync-so", title="Sync.so", description="Name of a Sync.so Credentials block.")
    ghostcut: str = Field("ghostcut", title="GhostCut", description="Name of a GhostCut Credentials block.")

    async def ledger(self) -> Ledger:
        """The job state."""
        block = await JobDatabase.aload(self.database)
        return block.ledger()

    async def store(self) -> ObjectStore:
        """The bucket that holds inputs and results."""
        block = await S3Bucket.aload(self.storage)
        return ObjectStore(block.credentials.get_client("s3"), block.bucket_name)

    @asynccontextmanager
    async def sync_so_client(self) -> AsyncIterator[SyncSoClient]:
        """Lip-sync."""
        block = await SyncSoCredentials.aload(self.sync_so)
        async with block.client() as client:
            yield client

    @asynccontextmanager
    async def ghostcut_client(self) -> AsyncIterator[GhostCutClient]:
        """Text removal."""
        block = await GhostCutCredentials.aload(self.ghostcut)
        async with block.client() as client:
            yield client
