"""What the front door stands on: the job state, the vendors' secrets, and a way to start runs.

All of it is found through blocks of the Prefect server. They are kept for a while, so that callbacks can be taken while
that server is away, as long as they start no run.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar, cast
from uuid import UUID

from prefect.blocks.core import Block
from pydantic import SecretStr

from blocks import Connections, GhostCutCredentials, JobDatabase, load
from deployments.gateway.settings import Door
from tasks.run_again import run_again
from videojobs.errors import Retryable
from videojobs.ledger import Ledger, VideoJob

AnyBlock = TypeVar("AnyBlock", bound=Block)
Load = Callable[[type[Block], str], Awaitable[Block]]


class Backing:
    """Reached through the blocks of the default names; a job's own are used where it was opened with others."""

    def __init__(self, door: Door) -> None:
        self._names = Connections()
        self._blocks = KnownBlocks(door)

    async def ledger(self) -> Ledger:
        """The job state."""
        block = await self._blocks.get(JobDatabase, self._names.database)
        return block.ledger()

    async def ghostcut_secret(self, job: VideoJob) -> SecretStr:
        """What GhostCut signs its callbacks about this job with."""
        names = Connections.model_validate(job.connections)
        block = await self._blocks.get(GhostCutCredentials, names.ghostcut)
        return block.app_secret

    async def go_on(self, job: VideoJob) -> UUID:
        """Start a run that goes on with the job; gives its id."""
        return await run_again(job)


@dataclass(frozen=True, slots=True)
class _Known:
    block: Block
    at: float


class KnownBlocks:
    """Blocks, loaded anew when they are due. While the Prefect server is away, the last ones known."""

    def __init__(self, door: Door, load: Load = load) -> None:
        self._door = door
        self._load = load
        self._known: dict[tuple[type[Block], str], _Known] = {}

    async def get(self, kind: type[AnyBlock], name: str) -> AnyBlock:
        """Raises ConfigurationError where there is no such block, Retryable where Prefect never gave it."""
        known = self._known.get((kind, name))
        if known is None or time.monotonic() - known.at > self._door.block_seconds:
            known = await self._renewed(kind, name, known)
        return cast(AnyBlock, known.block)

    async def _renewed(self, kind: type[Block], name: str, known: _Known | None) -> _Known:
        try:
            async with asyncio.timeout(self._door.load_seconds):
                found = _Known(await self._load(kind, name), time.monotonic())
        except (Retryable, TimeoutError) as error:
            if known is None:
                raise Retryable(f"the Prefect server did not give the block {name}") from error
            return known
        self._known[kind, name] = found
        return found
