"""A place at a vendor is waited for, kept alive while it is held, and given back, whatever the server says."""

import asyncio
from collections.abc import Sequence
from typing import Self
from uuid import UUID, uuid4

import pytest
from httpx import ConnectError, HTTPStatusError, Request, Response

from tasks import slots
from videojobs.at_rest import tell_when_at_rest

REQUEST = Request("POST", "http://prefect.example")
LEASE = uuid4()


class Server:
    """Prefect's client, as far as a place needs it; it answers in turn what is planned, then grants."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.renewals: asyncio.Queue[UUID] = asyncio.Queue()
        self.lease_seconds: set[float] = set()
        self.turns: list[tuple[str, int, str]] = []
        self.given_back: list[UUID] = []
        self.has_back = asyncio.Event()
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
        self.turns.append((names[0], slots, mode))
        return Response(200, json=[], request=REQUEST)

    async def renew_concurrency_lease(self, lease: UUID, seconds: float) -> None:
        self._answer()
        self.lease_seconds.add(seconds)
        await self.renewals.put(lease)

    async def release_concurrency_slots_with_lease(self, lease: UUID) -> None:
        await self.answers_releases.wait()
        self.given_back.append(lease)
        self.has_back.set()

    def _answer(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


def refusal(status: int, **headers: str) -> HTTPStatusError:
    return HTTPStatusError("no", request=REQUEST, response=Response(status, headers=headers, request=REQUEST))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_RENEWED_AFTER", 0.01 / 300)
    monkeypatch.setattr(slots, "_AGAIN_SECONDS", 0.01)


async def test_a_place_is_waited_for_while_there_is_none_or_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(refusal(423, **{"Retry-After": "0.01"}), refusal(503), ConnectError("away"))
    monkeypatch.setattr(slots, "get_client", lambda: server)
    async with slots.slot("some-limit"):
        assert server.refusals == []
        assert server.given_back == []
    async with asyncio.timeout(5):
        await server.has_back.wait()
    assert server.given_back == [LEASE]


@pytest.mark.parametrize(("refusals", "at_rest"), [(0, []), (1, ["first", "second"])])
async def test_a_job_is_at_rest_while_there_is_no_place_for_it_or_others_are_before_it(
    monkeypatch: pytest.MonkeyPatch, refusals: int, at_rest: list[str]
) -> None:
    told: list[str] = []

    async def one(name: str) -> None:
        tell_when_at_rest(lambda: told.append(name))
        async with slots.slot("some-limit"):
            pass

    server = Server(*(refusal(423, **{"Retry-After": "0.01"}) for _ in range(refusals)))
    monkeypatch.setattr(slots, "get_client", lambda: server)
    await asyncio.gather(one("first"), one("second"))
    assert told == at_rest


async def test_a_job_does_not_wait_until_its_place_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(slots, "get_client", lambda: server)
    server.answers_releases.clear()
    async with asyncio.timeout(5):
        async with slots.slot("some-limit"):
            pass
        assert server.given_back == []
        server.answers_releases.set()
        await server.has_back.wait()


async def test_a_held_place_is_renewed_again_and_again_also_after_the_server_was_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    monkeypatch.setattr(slots, "get_client", lambda: server)
    async with slots.slot("some-limit"):
        server.refusals += [refusal(500), ConnectError("away")]
        async with asyncio.timeout(5):
            assert [await server.renewals.get() for _ in range(3)] == [LEASE] * 3
        assert server.refusals == []


async def test_a_place_is_taken_and_renewed_for_as_long_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(slots, "get_client", lambda: server)
    monkeypatch.setenv("VIDEOJOBS_PLACE_LEASE_SECONDS", "600")
    async with slots.slot("some-limit"), asyncio.timeout(5):
        assert await server.renewals.get() == LEASE
    assert server.lease_seconds == {600}


async def test_a_place_is_given_back_when_its_job_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(slots, "get_client", lambda: server)
    with pytest.raises(ValueError, match="broken"):
        async with slots.slot("some-limit"):
            raise ValueError("broken")
    assert server.given_back == [LEASE]


async def test_a_turn_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(refusal(423, **{"Retry-After": "0.01"}), refusal(423, **{"Retry-After": "0.01"}))
    monkeypatch.setattr(slots, "get_client", lambda: server)
    await slots.turn("some-rate")
    assert server.turns == [("some-rate", 1, "rate_limit")]


@pytest.mark.parametrize("away", [refusal(503), ConnectError("away")])
async def test_where_the_server_does_not_give_turns_the_vendor_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    server = Server(away)
    monkeypatch.setattr(slots, "get_client", lambda: server)
    await slots.turn("some-rate")
    assert server.turns == []
