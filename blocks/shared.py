"""What all jobs of a process share: the blocks, and by event loop the connections that were opened with them.

Opened by each step anew they would cost more than all the rest of a job: three requests to the Prefect server for a
block, milliseconds of CPU for a client, and connections that wait with each of a thousand jobs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

from prefect.blocks.core import Block

from blocks.known import KnownBlocks

BLOCKS: Final = KnownBlocks(
    seconds=60,  # who changes a key expects it to count within a minute or so
    patience=15,  # Prefect answers in 0.05 s, and on a very busy machine in seconds
)
"""Those of this process."""

C_co = TypeVar("C_co", covariant=True)
C = TypeVar("C")


class Account(Protocol[C_co]):
    """A block that opens a client for its vendor."""

    def client(self) -> AbstractAsyncContextManager[C_co]: ...


@dataclass
class _Opened:
    block: Block
    context: AbstractAsyncContextManager[Any]
    client: Any
    users: int = 0


class Shared:
    """Clients of one event loop. One lives until its block has changed and nobody uses it any more."""

    def __init__(self) -> None:
        self._opened: dict[tuple[type[Block], str], _Opened] = {}
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def client(self, kind: type[Account[C]], name: str) -> AsyncIterator[C]:
        """The vendor's client of the block `name`, for as long as the context lasts."""
        key = (cast(type[Block], kind), name)
        opened = await self._taken(key, await BLOCKS.get(*key))
        try:
            yield cast(C, opened.client)
        finally:
            opened.users -= 1
            await self._close_unused(key, opened)

    async def _taken(self, key: tuple[type[Block], str], block: Block) -> _Opened:
        """The client of this block, with one user more. Of many who come at once, one opens it."""
        async with self._opening:
            opened = self._opened.get(key)
            if opened is None or opened.block is not block:
                before = opened
                context = cast(Account[Any], block).client()
                opened = self._opened[key] = _Opened(block, context, await context.__aenter__())
                if before is not None:
                    await self._close_unused(key, before)
            opened.users += 1
            return opened

    async def _close_unused(self, key: tuple[type[Block], str], opened: _Opened) -> None:
        if opened.users == 0 and self._opened.get(key) is not opened:
            await opened.context.__aexit__(None, None, None)


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


def shared() -> Shared:
    """That of the running event loop: connections belong to the loop that opened them."""
    return _shared.setdefault(asyncio.get_running_loop(), Shared())
