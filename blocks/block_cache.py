"""A cache of blocks, so that not every step of every job loads them from the Prefect server."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, cast

import httpx
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL

from videojobs.errors import ConfigurationError, RetryableError

BlockT = TypeVar("BlockT", bound=Block)
BlockLoader = Callable[[type[Block], str], Awaitable[Block]]


async def load_block(kind: type[BlockT], name: str) -> BlockT:
    """The block of this kind and name. Raises ConfigurationError with what to do, or RetryableError."""
    try:
        return cast(BlockT, await kind.aload(name))
    except ValueError as error:
        block_path = f"{kind.get_block_type_slug()}/{name}"
        raise ConfigurationError(
            f"the Prefect server has no block {block_path}: set its variables (see .env.example) and run `make deploy`"
        ) from error
    except httpx.HTTPError as error:
        raise RetryableError(f"the Prefect server did not return the block {name} ({type(error).__name__})") from error


@dataclass(slots=True)
class _CacheEntry:
    block: Block
    refresh_at: float  # on the monotonic clock: when it is loaded again


class BlockCache:
    """Blocks, reloaded when they are due. While the Prefect server is unavailable, the cached ones are used.

    A block counts as unchanged for `ttl_seconds`; the cached one is used if loading takes longer than `load_timeout`
    seconds. The event loops of a process may share one cache.
    """

    def __init__(self, *, ttl_seconds: float, load_timeout: float, loader: BlockLoader = load_block) -> None:
        self._ttl_seconds = ttl_seconds
        self._load_timeout = load_timeout
        self._loader = loader
        self._entries: dict[object, _CacheEntry] = {}

    async def get(self, kind: type[BlockT], name: str) -> BlockT:
        """Raises ConfigurationError if there is no such block, RetryableError if Prefect never returned it."""
        key = (PREFECT_API_URL.value(), kind, name)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _CacheEntry(await self._load_with_timeout(kind, name), self._next_refresh())
        elif entry.refresh_at < time.monotonic():
            entry.refresh_at = self._next_refresh()  # concurrent callers use the cached one
            with suppress(RetryableError):
                block = await self._load_with_timeout(kind, name)
                entry.block = entry.block if entry.block == block else block
        return cast(BlockT, entry.block)

    def _next_refresh(self) -> float:
        return time.monotonic() + self._ttl_seconds

    async def _load_with_timeout(self, kind: type[Block], name: str) -> Block:
        try:
            async with asyncio.timeout(self._load_timeout):
                return await self._loader(kind, name)
        except TimeoutError as error:
            raise RetryableError(f"the Prefect server did not return the block {name} in time") from error
