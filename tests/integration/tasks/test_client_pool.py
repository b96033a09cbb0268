"""Concurrent users share clients, and a changed block gets new clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prefect.blocks.core import Block

import blocks.client_pool
from blocks.block_cache import BlockCache
from blocks.client_pool import ClientPool, CredentialsBlock


class FakeClient:
    def __init__(self, key: str) -> None:
        self.key = key
        self.is_open = True


class ShopAccount(CredentialsBlock):
    """A credentials block for a made-up vendor."""

    callback_secret_field = "key"
    base_url: str = "https://shop.test"
    key: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[FakeClient]:
        await asyncio.sleep(0)
        client = FakeClient(self.key)
        yield client
        client.is_open = False
        await asyncio.sleep(0)


class BlockServer:
    """Returns the block in its current state."""

    def __init__(self) -> None:
        self.key = "first"

    async def load(self, kind: type[Block], name: str) -> Block:
        return ShopAccount(key=self.key)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> BlockServer:
    server = BlockServer()
    monkeypatch.setattr(
        blocks.client_pool, "BLOCK_CACHE", BlockCache(ttl_seconds=0, load_timeout=1, loader=server.load)
    )
    return server


async def test_concurrent_users_share_a_client_that_stays_open(server: BlockServer) -> None:
    shared = ClientPool()
    async with shared.client(ShopAccount, "shop") as one, shared.client(ShopAccount, "shop") as other:
        assert one is other
    async with shared.client(ShopAccount, "shop") as later:
        assert later is one
        assert later.is_open


async def test_a_shared_client_is_open_for_each_concurrent_user(server: BlockServer) -> None:
    shared = ClientPool()

    async def use_client() -> FakeClient:
        client: FakeClient
        async with shared.client(ShopAccount, "shop") as client:
            assert client.is_open
            await asyncio.sleep(0)
            assert client.is_open
            return client

    for server.key in ("first", "second", "third"):
        assert len(set(await asyncio.gather(*(use_client() for _ in range(9))))) == 1


async def test_a_changed_block_replaces_the_client_after_its_last_use(server: BlockServer) -> None:
    shared = ClientPool()
    async with AsyncExitStack() as first_user, AsyncExitStack() as second_user:
        old = await first_user.enter_async_context(shared.client(ShopAccount, "shop"))
        server.key = "changed"
        new = await second_user.enter_async_context(shared.client(ShopAccount, "shop"))
        assert (old.key, new.key) == ("first", "changed")
        assert old.is_open
        await first_user.aclose()
        assert not old.is_open
        assert new.is_open


async def test_a_changed_block_closes_an_unused_client(server: BlockServer) -> None:
    shared = ClientPool()
    async with shared.client(ShopAccount, "shop") as old:
        pass
    server.key = "changed"
    async with shared.client(ShopAccount, "shop") as new:
        assert not old.is_open
        assert new.is_open
