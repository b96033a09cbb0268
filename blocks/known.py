"""Blocks that were loaded before, so that not every step of every job asks the Prefect server for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, cast

import httpx
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL

from videojobs.errors import ConfigurationError, Retryable

AnyBlock = TypeVar("AnyBlock", bound=Block)
Load = Callable[[type[Block], str], Awaitable[Block]]


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


@dataclass(slots=True)
class _Known:
    block: Block
    due: float  # on the monotonic clock: when it is loaded again


class KnownBlocks:
    """Blocks, loaded anew when they are due. While the Prefect server is away, the last ones known.

    A block is believed to be unchanged for `seconds`; a known one is kept where the server takes longer than
    `patience` seconds to give it again. The event loops of a process may share one of these.
    """

    def __init__(self, *, seconds: float, patience: float, load: Load = load) -> None:
        self._seconds = seconds
        self._patience = patience
        self._load = load
        self._known: dict[object, _Known] = {}

    async def get(self, kind: type[AnyBlock], name: str) -> AnyBlock:
        """Raises ConfigurationError where there is no such block, Retryable where Prefect never gave it."""
        key = (PREFECT_API_URL.value(), kind, name)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(await self._loaded(kind, name), self._next())
        elif known.due < time.monotonic():
            known.due = self._next()  # whoever comes meanwhile takes the one that is known
            with suppress(Retryable):
                block = await self._loaded(kind, name)
                known.block = known.block if known.block == block else block
        return cast(AnyBlock, known.block)

    def _next(self) -> float:
        return time.monotonic() + self._seconds

    async def _loaded(self, kind: type[Block], name: str) -> Block:
        try:
            async with asyncio.timeout(self._patience):
                return await self._load(kind, name)
        except TimeoutError as error:
            raise Retryable(f"the Prefect server did not give the block {name} in time") from error
