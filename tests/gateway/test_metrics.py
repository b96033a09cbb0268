"""`/metrics`: figures of the jobs and of the door, for Prometheus."""

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments.gateway.app import create_app
from deployments.gateway.backing import Backing
from tests.gateway.asgi import Broken, Kept, called
from tests.gateway.vendors import SYNC_SO, Caller, OnTheLedger, submitted
from tests.ledger.conftest import Opened
from videojobs.ledger import Ledger


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every figure by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def figures(http: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    return read(answer.text)


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_the_state_of_the_jobs_can_be_watched(
    ledger: Ledger, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_METRICS_SECONDS", "0")
    async with called(OnTheLedger(ledger)) as http:
        before = await figures(http)
        lease = await opened()
        await submitted(ledger, lease, SYNC_SO)
        await ledger.park(lease, "nobody knows")
        after = await figures(http)
    parked = key("videojobs_jobs", status="processing", point="uploaded", parked="true")
    assert after[parked] - before.get(parked, 0) == 1
    assert after[key("videojobs_parked_jobs")] - before[key("videojobs_parked_jobs")] == 1
    intended = key("videojobs_submissions_last_day", vendor="Sync.so", state="intended")
    assert after[intended] - before.get(intended, 0) == 1
    assert after[key("videojobs_ledger_up")] == 1
    assert key("videojobs_oldest_job_seconds") in after
    assert key("videojobs_spent_today", vendor="Sync.so", unit="usd") in after


async def test_the_ledger_is_asked_once_for_all_who_read_the_figures_within_some_seconds(ledger: Ledger) -> None:
    asked = 0

    class Counting(OnTheLedger):
        async def ledger(self) -> Ledger:
            nonlocal asked
            asked += 1
            return await super().ledger()

    async with called(Counting(ledger)) as http:
        await asyncio.gather(*(http.get("/metrics") for _ in range(5)))
    assert asked == 1


async def test_while_the_ledger_is_away_that_is_what_the_figures_say(broken: Backing) -> None:
    async with called(broken) as http:
        found = await figures(http)
    assert found[key("videojobs_ledger_up")] == 0
    assert not [name for name, _ in found if name.startswith("videojobs_jobs")]


async def test_callbacks_are_counted_by_what_became_of_them(ledger: Ledger, opened: Opened, broken: Backing) -> None:
    submission = await submitted(ledger, await opened(), SYNC_SO)
    door = Caller(OnTheLedger(ledger))
    body = SYNC_SO.body("42")
    await door.call(SYNC_SO, submission.callback_token, body)
    await door.call(SYNC_SO, submission.callback_token, body, SYNC_SO.signed(body, secret="guessed"))
    await door.call(SYNC_SO, "x" * 43, body)
    found = await figures(door.http)
    assert found[key("videojobs_callbacks_total", vendor="Sync.so", outcome="taken")] == 1
    assert found[key("videojobs_callbacks_total", vendor="Sync.so", outcome="refused")] == 2
    away = Caller(broken)
    await away.call(SYNC_SO, submission.callback_token, body)
    assert (await figures(away.http))[key("videojobs_callbacks_total", vendor="Sync.so", outcome="put off")] == 1


async def test_requests_are_counted_by_their_route_so_no_address_can_make_figures_of_its_own(broken: Backing) -> None:
    async with called(broken) as http:
        await http.post(f"/callbacks/sync-so/{'s' * 43}", content=b"12345")
        for path in ("/a", "/b?token=secret", "/callbacks/nobody/secret"):
            await http.get(path)
        await http.request("BREW", "/healthz")
        answer = await http.get("/metrics")
    found = read(answer.text)
    route = "/callbacks/sync-so/{token}"
    assert found[key("videojobs_gateway_requests_total", method="POST", route=route, status="503")] == 1
    assert found[key("videojobs_gateway_received_bytes_total", route=route)] == 5
    assert found[key("videojobs_gateway_requests_total", method="GET", route="(none)", status="404")] == 3
    assert found[key("videojobs_gateway_requests_total", method="other", route="/healthz", status="405")] == 1
    assert "secret" not in answer.text
    assert "s" * 43 not in answer.text


async def test_an_error_that_nobody_foresaw_is_counted_and_logged_as_one(log: "Kept") -> None:
    app = create_app(Broken(ZeroDivisionError("oh")))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
        assert (await http.post(f"/callbacks/sync-so/{'s' * 43}", content=b"{}")).status_code == 500
        found = await figures(http)
    route = "/callbacks/sync-so/{token}"
    assert found[key("videojobs_gateway_requests_total", method="POST", route=route, status="500")] == 1
    assert [line["status"] for line in log.lines if line.get("route") == route] == [500]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        ("Bearer guessed", 401),
        ("Bearer ", 401),
        ("Basic the-token", 401),
        ("Bearer the-tokenx", 401),
        ("Bearer ünïcode", 401),
        ("Bearer the-token", 200),
    ],
)
async def test_where_a_token_is_set_the_figures_are_for_who_has_it(
    broken: Backing, monkeypatch: pytest.MonkeyPatch, given: str | None, status: int
) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_METRICS_TOKEN", "the-token")
    headers = httpx.Headers() if given is None else httpx.Headers({b"authorization": given.encode()})
    async with called(broken, host="203.0.113.9") as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("10.0.0.9", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 403),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 403),
    ],
)
async def test_without_a_token_they_are_for_callers_on_the_same_machine(
    broken: Backing, host: str, headers: dict[str, str], status: int
) -> None:
    async with called(broken, host=host) as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status
