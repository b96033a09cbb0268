"""Which blocks a run uses. Runs carry these names; the secrets behind them are loaded where they are used."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import httpx
from prefect.blocks.core import Block
from prefect_aws import S3Bucket
from pydantic import BaseModel, ConfigDict, Field

from blocks.ghostcut import GhostCutCredentials
from blocks.job_database import JobDatabase
from blocks.sync_so import SyncSoCredentials
from videojobs.errors import ConfigurationError, Retryable
from videojobs.ledger import Ledger
from videojobs.media.store import ObjectStore
from videojobs.vendors.ghostcut.client import GhostCutClient
from videojobs.vendors.sync_so.client import SyncSoClient

AnyBlock = TypeVar("AnyBlock", bound=Block)


async def load(kind: type[AnyBlock], name: str) -> AnyBlock:
    """The block of this kind and name. Raises ConfigurationError with what to do, or Retryable."""
    try:
        return cast(AnyBlock, await kind.aload(name))
    except ValueError as error:
        what = f"{kind.get_block_type_slug()}/{name}"
        raise ConfigurationError(
            f"the Prefect server has no block {what}: set its variables (see .env.example) and run `make register`"
        ) from error
    except httpx.HTTPError as error:
        raise Retryable(f"the Prefect server did not give the block {name} ({type(error).__name__})") from error


class Connections(BaseModel):
    """Names of the blocks that a run works with. The defaults are the ones that `make register` creates."""

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

    async def ledger(self) -> Ledger:
        """The job state."""
        block = await load(JobDatabase, self.database)
        return block.ledger()

    async def store(self) -> ObjectStore:
        """The bucket that holds inputs and results."""
        block = await load(S3Bucket, self.storage)
        return ObjectStore(block.credentials.get_client("s3"), block.bucket_name)

    @asynccontextmanager
    async def sync_so_client(self) -> AsyncIterator[SyncSoClient]:
        """Lip-sync."""
        block = await load(SyncSoCredentials, self.sync_so)
        async with block.client() as client:
            yield client

    @asynccontextmanager
    async def ghostcut_client(self) -> AsyncIterator[GhostCutClient]:
        """Text removal."""
        block = await load(GhostCutCredentials, self.ghostcut)
        async with block.client() as client:
            yield client
