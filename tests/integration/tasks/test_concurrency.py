"""Vendor slots are waited for, renewed while held, and released, whatever the server responds."""

import asyncio
from collections.abc import Sequence
from typing import Self
from uuid import UUID, uuid4

import pytest
from httpx import ConnectError, HTTPStatusError, Request, Response

from tasks.runtime import concurrency
from videojobs.aio.idle_signal import on_idle

REQUEST = Request("POST", "http://prefect.example")
LEASE = uuid4()


class FakePrefectClient:
    """Prefect's client, as far as a slot needs it. It gives the planned responses in order, then grants."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.renewals: asyncio.Queue[UUID] = asyncio.Queue()
        self.lease_seconds: set[float] = set()
        self.rate_limit_calls: list[tuple[str, int, str]] = []
        self.released: list[UUID] = []
        self.release_seen = asyncio.Event()
        self.answers_releases = asyncio.Event()
        self.answers_releases.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def increment_concurrency_slots_with_lease(
        self, names: Sequence[str], _slots: int, _mode: str, seconds: float
    ) -> Response:
        self._answer()
        self.lease_seconds.add(seconds)
        limit = {"id": str(uuid4()), "name": names[0], "limit": 1}
        return Response(200, json={"lease_id": str(LEASE), "limits": [limit]}, request=REQUEST)

    async def increment_concurrency_slots(self, names: Sequence[str], slots: int, mode: str) -> Response:
        self._answer()
        self.rate_limit_calls.append((names[0], slots, mode))
        return Response(200, json=[], request=REQUEST)

    async def renew_concurrency_lease(self, lease: UUID, seconds: float) -> None:
        self._answer()
        self.lease_seconds.add(seconds)
        await self.renewals.put(lease)

    async def release_concurrency_slots_with_lease(self, lease: UUID) -> None:
        await self.answers_releases.wait()
        self.released.append(lease)
        self.release_seen.set()

    def _answer(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


def http_error(status: int, **headers: str) -> HTTPStatusError:
    return HTTPStatusError("no", request=REQUEST, response=Response(status, headers=headers, request=REQUEST))


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "_RENEWAL_FRACTION", 0.01 / 300)
    monkeypatch.setattr(concurrency, "_RETRY_SECONDS", 0.01)


async def test_a_slot_is_awaited_while_none_is_free_or_prefect_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakePrefectClient(http_error(423, **{"Retry-After": "0.01"}), http_error(503), ConnectError("away"))
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    async with concurrency.vendor_slot("some-limit"):
        assert server.refusals == []
        assert server.released == []
    async with asyncio.timeout(5):
        await server.release_seen.wait()
    assert server.released == [LEASE]


@pytest.mark.parametrize(("refusals", "at_rest"), [(0, []), (1, ["first", "second"])])
async def test_a_job_is_idle_while_it_queues_for_a_slot(
    monkeypatch: pytest.MonkeyPatch, refusals: int, at_rest: list[str]
) -> None:
    told: list[str] = []

    async def enter_slot(name: str) -> None:
        on_idle(lambda: told.append(name))
        async with concurrency.vendor_slot("some-limit"):
            pass

    server = FakePrefectClient(*(http_error(423, **{"Retry-After": "0.01"}) for _ in range(refusals)))
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    await asyncio.gather(enter_slot("first"), enter_slot("second"))
    assert told == at_rest


async def test_a_job_does_not_wait_for_its_slots_release(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakePrefectClient()
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    server.answers_releases.clear()
    async with asyncio.timeout(5):
        async with concurrency.vendor_slot("some-limit"):
            pass
        assert server.released == []
        server.answers_releases.set()
        await server.release_seen.wait()


async def test_a_slot_is_renewed_even_after_a_server_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = FakePrefectClient()
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    async with concurrency.vendor_slot("some-limit"):
        server.refusals += [http_error(500), ConnectError("away")]
        async with asyncio.timeout(5):
            assert [await server.renewals.get() for _ in range(3)] == [LEASE] * 3
        assert server.refusals == []


async def test_slot_leases_last_as_long_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakePrefectClient()
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    monkeypatch.setenv("VIDEOJOBS_SLOT_LEASE_SECONDS", "600")
    async with concurrency.vendor_slot("some-limit"), asyncio.timeout(5):
        assert await server.renewals.get() == LEASE
    assert server.lease_seconds == {600}


async def test_a_slot_is_released_when_its_job_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakePrefectClient()
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    with pytest.raises(ValueError, match="broken"):
        async with concurrency.vendor_slot("some-limit"):
            raise ValueError("broken")
    assert server.released == [LEASE]


async def test_a_rate_limit_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakePrefectClient(http_error(423, **{"Retry-After": "0.01"}), http_error(423, **{"Retry-After": "0.01"}))
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    await concurrency.rate_limit("some-rate")
    assert server.rate_limit_calls == [("some-rate", 1, "rate_limit")]


@pytest.mark.parametrize("away", [http_error(503), ConnectError("away")])
async def test_an_unavailable_rate_limit_does_not_block_the_call(
    monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    server = FakePrefectClient(away)
    monkeypatch.setattr(concurrency, "get_client", lambda: server)
    await concurrency.rate_limit("some-rate")
    assert server.rate_limit_calls == []
