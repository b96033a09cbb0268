"""Clients are shared by all who use them at once, and made anew when their block has changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prefect.blocks.core import Block

import blocks.shared
from blocks.known import KnownBlocks
from blocks.shared import Shared


class Client:
    def __init__(self, key: str) -> None:
        self.key = key
        self.is_open = True


class ShopAccount(Block):
    """An account somewhere."""

    key: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        await asyncio.sleep(0)
        client = Client(self.key)
        yield client
        client.is_open = False
        await asyncio.sleep(0)


class Server:
    """Gives the block, as it is at the moment."""

    def __init__(self) -> None:
        self.key = "first"

    async def load(self, kind: type[Block], name: str) -> Block:
        return ShopAccount(key=self.key)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(blocks.shared, "BLOCKS", KnownBlocks(seconds=0, patience=1, load=server.load))
    return server


async def test_all_who_need_a_client_at_once_share_one_and_it_stays_open_for_the_next(server: Server) -> None:
    shared = Shared()
    async with shared.client(ShopAccount, "shop") as one, shared.client(ShopAccount, "shop") as other:
        assert one is other
    async with shared.client(ShopAccount, "shop") as later:
        assert later is one
        assert later.is_open


async def test_a_client_that_many_open_at_once_is_open_for_each_of_them(server: Server) -> None:
    shared = Shared()

    async def one_of_many() -> Client:
        async with shared.client(ShopAccount, "shop") as client:
            assert client.is_open
            await asyncio.sleep(0)
            assert client.is_open
            return client

    for server.key in ("first", "second", "third"):
        assert len(set(await asyncio.gather(*(one_of_many() for _ in range(9))))) == 1


async def test_a_changed_block_makes_a_new_client_and_the_old_one_closes_with_its_last_user(server: Server) -> None:
    shared = Shared()
    async with AsyncExitStack() as first_user, AsyncExitStack() as second_user:
        old = await first_user.enter_async_context(shared.client(ShopAccount, "shop"))
        server.key = "changed"
        new = await second_user.enter_async_context(shared.client(ShopAccount, "shop"))
        assert (old.key, new.key) == ("first", "changed")
        assert old.is_open
        await first_user.aclose()
        assert not old.is_open
        assert new.is_open


async def test_a_changed_block_closes_a_client_that_nobody_uses(server: Server) -> None:
    shared = Shared()
    async with shared.client(ShopAccount, "shop") as old:
        pass
    server.key = "changed"
    async with shared.client(ShopAccount, "shop") as new:
        assert not old.is_open
        assert new.is_open
