"""`/readyz`: whether all that the door stands on answers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deployments.gateway import readiness
from deployments.gateway.backing import Backing
from tests.gateway.asgi import called


async def at_once(_: Backing) -> None:
    """A part that is there."""


async def gone(_: Backing) -> None:
    raise OSError("db-1 refused the connection")


async def hanging(_: Backing) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Parts that answer as they are told, all others at once."""

    def told(**checks: Callable[[Backing], Awaitable[None]]) -> None:
        for name in readiness.CHECKS:
            monkeypatch.setitem(readiness.CHECKS, name, checks.get(name, at_once))

    monkeypatch.setenv("VIDEOJOBS_GATEWAY_READY_SECONDS", "0.05")
    return told


async def test_it_is_ready_when_all_that_it_stands_on_answers(parts: Callable[..., None], broken: Backing) -> None:
    parts()
    async with called(broken) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"postgres": "up", "prefect": "up", "storage": "up"})


@pytest.mark.parametrize("part", ["postgres", "prefect", "storage"])
@pytest.mark.parametrize("how", [gone, hanging], ids=["gone", "hanging"])
async def test_a_part_that_does_not_answer_in_time_is_named_and_nothing_else_is_told(
    parts: Callable[..., None], broken: Backing, part: str, how: Callable[[Backing], Awaitable[None]]
) -> None:
    parts(**{part: how})
    async with called(broken) as http, asyncio.timeout(5):
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {name: "away" if name == part else "up" for name in ("postgres", "prefect", "storage")}


async def test_a_part_that_hangs_is_not_asked_again_by_everybody_who_wants_to_know(
    parts: Callable[..., None], broken: Backing
) -> None:
    asked = 0

    async def counted(_: Backing) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    parts(storage=counted)
    async with called(broken) as http:
        await asyncio.gather(*(http.get("/readyz") for _ in range(5)))
        await http.get("/readyz")
    assert asked == 1
