"""`/metrics`: statistics of jobs and of the API, for Prometheus."""

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments.api.app import create_app
from deployments.api.services import Services
from tests.integration.db.conftest import CreateLeasedJob
from tests.support.api_server import BrokenServices, LogCapture, asgi_client
from tests.support.signed_callbacks import SYNC_SO, CallbackClient, FakeServices, create_sent_submission
from videojobs.db import JobRepository


def parse_metrics(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every metric by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def fetch_metrics(http: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    return parse_metrics(answer.text)


def metric_key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_metrics_report_jobs_by_state(
    repository: JobRepository, create_leased_job: CreateLeasedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_API_METRICS_CACHE_SECONDS", "0")
    async with asgi_client(FakeServices(repository)) as http:
        before = await fetch_metrics(http)
        lease = await create_leased_job()
        await create_sent_submission(repository, lease, SYNC_SO)
        await repository.park(lease, "nobody knows")
        after = await fetch_metrics(http)
    parked = metric_key("videojobs_jobs", status="processing", point="uploaded", parked="true")
    assert after[parked] - before.get(parked, 0) == 1
    assert after[metric_key("videojobs_parked_jobs")] - before[metric_key("videojobs_parked_jobs")] == 1
    intended = metric_key("videojobs_submissions_last_day", vendor="Sync.so", state="intended")
    assert after[intended] - before.get(intended, 0) == 1
    assert after[metric_key("videojobs_database_up")] == 1
    assert metric_key("videojobs_oldest_job_seconds") in after
    assert metric_key("videojobs_spent_today", vendor="Sync.so", unit="usd") in after


async def test_job_metrics_are_cached_between_scrapes(repository: JobRepository) -> None:
    asked = 0

    class CountingServices(FakeServices):
        async def repository(self) -> JobRepository:
            nonlocal asked
            asked += 1
            return await super().repository()

    async with asgi_client(CountingServices(repository)) as http:
        await asyncio.gather(*(http.get("/metrics") for _ in range(5)))
    assert asked == 1


async def test_metrics_report_an_unavailable_database(broken_services: Services) -> None:
    async with asgi_client(broken_services) as http:
        found = await fetch_metrics(http)
    assert found[metric_key("videojobs_database_up")] == 0
    assert not [name for name, _ in found if name.startswith("videojobs_jobs")]


async def test_callbacks_are_counted_by_outcome(
    repository: JobRepository, create_leased_job: CreateLeasedJob, broken_services: Services
) -> None:
    submission = await create_sent_submission(repository, await create_leased_job(), SYNC_SO)
    api = CallbackClient(FakeServices(repository))
    body = SYNC_SO.report_body("42")
    await api.send_callback(SYNC_SO, submission.callback_token, body)
    await api.send_callback(SYNC_SO, submission.callback_token, body, SYNC_SO.signature_headers(body, secret="guessed"))
    await api.send_callback(SYNC_SO, "x" * 43, body)
    found = await fetch_metrics(api.http)
    assert found[metric_key("videojobs_callbacks_total", vendor="Sync.so", outcome="accepted")] == 1
    assert found[metric_key("videojobs_callbacks_total", vendor="Sync.so", outcome="rejected")] == 2
    away = CallbackClient(broken_services)
    await away.send_callback(SYNC_SO, submission.callback_token, body)
    assert (await fetch_metrics(away.http))[
        metric_key("videojobs_callbacks_total", vendor="Sync.so", outcome="deferred")
    ] == 1


async def test_requests_are_counted_by_route_template(broken_services: Services) -> None:
    async with asgi_client(broken_services) as http:
        await http.post(f"/callbacks/sync-so/{'s' * 43}", content=b"12345")
        for path in ("/a", "/b?token=secret", "/callbacks/secret"):
            await http.get(path)
        await http.request("BREW", "/healthz")
        answer = await http.get("/metrics")
    found = parse_metrics(answer.text)
    route = "/callbacks/{provider}/{token}"
    assert found[metric_key("videojobs_api_requests_total", method="POST", route=route, status="503")] == 1
    assert found[metric_key("videojobs_api_received_bytes_total", route=route)] == 5
    assert found[metric_key("videojobs_api_requests_total", method="GET", route="(none)", status="404")] == 3
    assert found[metric_key("videojobs_api_requests_total", method="other", route="/healthz", status="405")] == 1
    assert "secret" not in answer.text
    assert "s" * 43 not in answer.text


async def test_an_unhandled_error_is_counted_and_logged(log_capture: "LogCapture") -> None:
    app = create_app(BrokenServices(ZeroDivisionError("oh")))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
        assert (await http.post(f"/callbacks/sync-so/{'s' * 43}", content=b"{}")).status_code == 500
        found = await fetch_metrics(http)
    route = "/callbacks/{provider}/{token}"
    assert found[metric_key("videojobs_api_requests_total", method="POST", route=route, status="500")] == 1
    assert [line["status"] for line in log_capture.lines if line.get("route") == route] == [500]


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
async def test_metrics_require_the_token_where_one_is_set(
    broken_services: Services, monkeypatch: pytest.MonkeyPatch, given: str | None, status: int
) -> None:
    monkeypatch.setenv("VIDEOJOBS_API_METRICS_TOKEN", "the-token")
    headers = httpx.Headers() if given is None else httpx.Headers({b"authorization": given.encode()})
    async with asgi_client(broken_services, host="203.0.113.9") as http:
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
async def test_metrics_without_a_token_are_for_localhost_only(
    broken_services: Services, host: str, headers: dict[str, str], status: int
) -> None:
    async with asgi_client(broken_services, host=host) as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status
