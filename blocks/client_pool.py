"""What all jobs of a process share: the blocks, and by event loop the connections that were opened with them.

Opened by each step anew they would cost more than all the rest of a job: three requests to the Prefect server for a
block, milliseconds of CPU for a client, and connections that wait with each of a thousand jobs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

from prefect.blocks.core import Block

from blocks.block_cache import BlockCache
from videojobs.aio.per_loop import PerLoop

BLOCK_CACHE: Final = BlockCache(
    ttl_seconds=60,  # who changes a key expects it to count within a minute or so
    load_timeout=15,  # Prefect answers in 0.05 s, and on a very busy machine in seconds
)
"""Those of this process."""

C_co = TypeVar("C_co", covariant=True)
C = TypeVar("C")


class ClientBlock(Protocol[C_co]):
    """A block that opens a client for its vendor."""

    def client(self) -> AbstractAsyncContextManager[C_co]: ...


@dataclass
class _PooledClient:
    block: Block
    context: AbstractAsyncContextManager[Any]
    client: Any
    users: int = 0


class ClientPool:
    """Clients of one event loop. One lives until its block has changed and nobody uses it any more."""

    def __init__(self) -> None:
        self._clients: dict[tuple[type[Block], str], _PooledClient] = {}
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def client(self, kind: type[ClientBlock[C]], name: str) -> AsyncIterator[C]:
        """The vendor's client of the block `name`, for as long as the context lasts."""
        key = (cast(type[Block], kind), name)
        pooled = await self._acquire(key, await BLOCK_CACHE.get(*key))
        try:
            yield cast(C, pooled.client)
        finally:
            pooled.users -= 1
            await self._close_unused(key, pooled)

    async def _acquire(self, key: tuple[type[Block], str], block: Block) -> _PooledClient:
        """The client of this block, with one user more. Of many who come at once, one opens it."""
        async with self._lock:
            pooled = self._clients.get(key)
            if pooled is None or pooled.block is not block:
                stale = pooled
                context = cast(ClientBlock[Any], block).client()
                pooled = self._clients[key] = _PooledClient(block, context, await context.__aenter__())
                if stale is not None:
                    await self._close_unused(key, stale)
            pooled.users += 1
            return pooled

    async def _close_unused(self, key: tuple[type[Block], str], pooled: _PooledClient) -> None:
        if pooled.users == 0 and self._clients.get(key) is not pooled:
            await pooled.context.__aexit__(None, None, None)


_pools: Final = PerLoop(ClientPool)


def get_client_pool() -> ClientPool:
    """That of the running event loop: connections belong to the loop that opened them."""
    return _pools.get()
