"""`/readyz`: which dependencies respond."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deployments.api.routes import health
from deployments.api.services import Services
from tests.support.api_server import asgi_client
from videojobs.states import Stage


async def check_passes(_: Services) -> None:
    """A dependency that responds."""


async def check_fails(_: Services) -> None:
    raise OSError("db-1 refused the connection")


async def check_hangs(_: Services) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def set_checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the checks: the given ones behave as specified, all others succeed at once."""

    def set_checks(**checks: Callable[[Services], Awaitable[None]]) -> None:
        for name in health.CHECKS:
            monkeypatch.setitem(health.CHECKS, name, checks.get(name, check_passes))

    monkeypatch.setenv("VIDEOJOBS_API_READINESS_TIMEOUT_SECONDS", "0.05")
    return set_checks


async def test_readyz_is_ready_when_all_dependencies_respond(
    set_checks: Callable[..., None], broken_services: Services
) -> None:
    set_checks()
    async with asgi_client(broken_services) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, dict.fromkeys(health.CHECKS, "up"))


@pytest.mark.parametrize("part", ["postgres", "prefect", "storage", "providers"])
@pytest.mark.parametrize("how", [check_fails, check_hangs], ids=["gone", "hanging"])
async def test_readyz_names_a_failed_dependency_only(
    set_checks: Callable[..., None], broken_services: Services, part: str, how: Callable[[Services], Awaitable[None]]
) -> None:
    set_checks(**{part: how})
    async with asgi_client(broken_services) as http, asyncio.timeout(5):
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {name: "unavailable" if name == part else "up" for name in health.CHECKS}


@pytest.mark.parametrize("stage", Stage)
async def test_readyz_names_a_wrong_provider_setting(
    set_checks: Callable[..., None], broken_services: Services, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    set_checks(providers=health.CHECKS["providers"])
    monkeypatch.setenv(f"VIDEOJOBS_{stage.name}_PROVIDER", "nobody")
    async with asgi_client(broken_services) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["providers"]) == (503, "unavailable")


async def test_concurrent_probes_share_one_hanging_check(
    set_checks: Callable[..., None], broken_services: Services
) -> None:
    asked = 0

    async def count_and_hang(_: Services) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    set_checks(storage=count_and_hang)
    async with asgi_client(broken_services) as http:
        await asyncio.gather(*(http.get("/readyz") for _ in range(5)))
        await http.get("/readyz")
    assert asked == 1
