"""What all jobs of a process share: the blocks, and per event loop the vendors' clients.

Opened for each step, they would cost more than the rest of a job: three requests to the Prefect server for a block,
milliseconds of CPU for a client, and idle connections for each of a thousand jobs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from prefect.blocks.core import Block
from pydantic import SecretStr

from blocks.block_cache import BlockCache
from videojobs.aio.per_loop import PerLoop

BLOCK_CACHE: Final = BlockCache(
    ttl_seconds=60,  # a changed key should apply within about a minute
    load_timeout=15,  # Prefect responds in 0.05 s, and on a very busy machine in seconds
)
"""Of this process."""


class CredentialsBlock(Block):
    """The account at a provider, in one block class per provider."""

    callback_secret_field: ClassVar[str]
    """The field with what the vendor signs its callbacks with."""
    base_url: str
    """Where the vendor's API is."""

    @property
    def callback_secret(self) -> SecretStr | None:
        secret: SecretStr | None = getattr(self, self.callback_secret_field)
        return secret

    def client(self) -> AbstractAsyncContextManager[Any]:
        """The provider's client, for as long as the context lasts."""
        raise NotImplementedError


@dataclass
class _PooledClient:
    block: CredentialsBlock
    context: AbstractAsyncContextManager[Any]
    client: Any
    users: int = 0


class ClientPool:
    """Clients of one event loop. A client is closed when its block has changed and its last user is done."""

    def __init__(self) -> None:
        self._clients: dict[tuple[type[CredentialsBlock], str], _PooledClient] = {}
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def client(self, kind: type[CredentialsBlock], name: str) -> AsyncIterator[Any]:
        """The vendor's client of the block `name`, for as long as the context lasts."""
        key = (kind, name)
        pooled = await self._acquire(key, await BLOCK_CACHE.get(*key))
        try:
            yield pooled.client
        finally:
            pooled.users -= 1
            await self._close_unused(key, pooled)

    async def _acquire(self, key: tuple[type[CredentialsBlock], str], block: CredentialsBlock) -> _PooledClient:
        """The client of this block, with one user more. Of concurrent callers, one opens it."""
        async with self._lock:
            pooled = self._clients.get(key)
            if pooled is None or pooled.block is not block:
                stale = pooled
                context = block.client()
                pooled = self._clients[key] = _PooledClient(block, context, await context.__aenter__())
                if stale is not None:
                    await self._close_unused(key, stale)
            pooled.users += 1
            return pooled

    async def _close_unused(self, key: tuple[type[CredentialsBlock], str], pooled: _PooledClient) -> None:
        if pooled.users == 0 and self._clients.get(key) is not pooled:
            await pooled.context.__aexit__(None, None, None)


_pools: Final = PerLoop(ClientPool)


def get_client_pool() -> ClientPool:
    """Of the running event loop: connections belong to the loop that opened them."""
    return _pools.get()
