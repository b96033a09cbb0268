"""Webhooks over real HTTP: signed, retried, guarded, and a slow receiver delays nobody."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from standardwebhooks import WebhookVerificationError

from tests.integration.api.conftest import ApiServer
from tests.integration.api.test_jobs import create_leased_job
from tests.support.webhook_receiver import Received, WebhookReceiver, run_webhook_receiver
from videojobs.db.webhook_models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import AccessSettings
from videojobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent
from videojobs.webhooks.sender import EXCERPT_BYTES, AttemptResult, WebhookSender
from videojobs.webhooks.url_rules import webhook_policy


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with run_webhook_receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def local_receivers(monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver) -> None:
    """The receiver is on this machine, and retries come at once."""
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PLAIN_HTTP", "true")
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PRIVATE_INPUTS", "true")
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_RETRY_DELAYS_SECONDS", "0.05,0.05")
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_POLL_SECONDS", "0.05")
    while not receiver._queue.empty():
        receiver._queue.get_nowait()


async def create_endpoint(api: ApiServer, user: str, url: str, *events: WebhookEvent) -> WebhookEndpoint:
    return await api.repository.create_webhook_endpoint(user, url, events or DEFAULT_EVENTS, "", limit=20)


async def next_request(receiver: WebhookReceiver) -> Received:
    return await asyncio.to_thread(receiver.next)


async def wait_for_end(api: ApiServer, delivery_id: str) -> tuple[WebhookDelivery, list[WebhookAttempt]]:
    async with asyncio.timeout(20):
        while True:
            delivery, tries = await api.repository.get_webhook_delivery(None, delivery_id)
            if delivery.state != "pending":
                return delivery, list(tries)
            await asyncio.sleep(0.03)


async def deliver(api: ApiServer, user: str, url: str) -> tuple[WebhookDelivery, list[WebhookAttempt]]:
    """A test event, when its last try has ended."""
    endpoint = await create_endpoint(api, user, url)
    return await wait_for_end(api, await api.repository.send_test_webhook(user, endpoint.id, {}))


# ---- what arrives ------------------------------------------------------------------------------------------


async def test_a_job_event_arrives_signed(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    endpoint = await create_endpoint(api, user, f"{receiver.url}/ok")
    lease = await create_leased_job(api, user)
    await api.repository.fail(lease, "the video is black")
    found = {}
    for _ in range(2):
        request = await next_request(receiver)
        message = request.verify(endpoint.secret)
        found[message["type"]] = message
        assert request.headers["content-type"] == "application/json"
    assert set(found) == {"job.started", "job.failed"}
    failed = found["job.failed"]
    assert set(failed) == {"type", "timestamp", "data"}
    assert failed["data"]["job_id"] == lease.job_id
    assert failed["data"]["error"] == "the video is black"
    assert failed["data"]["passthrough"] is None
    assert failed["timestamp"].endswith("+00:00")


async def test_a_rotated_secret_and_its_predecessor_verify(
    api: ApiServer, receiver: WebhookReceiver, user: str
) -> None:
    endpoint = await create_endpoint(api, user, f"{receiver.url}/ok")
    rotated = await api.repository.rotate_webhook_secret(user, endpoint.id, timedelta(hours=1))
    await api.repository.send_test_webhook(user, endpoint.id, {})
    request = await next_request(receiver)
    request.verify(endpoint.secret)
    request.verify(rotated.secret)
    with pytest.raises(WebhookVerificationError):
        request.verify("whsec_" + "A" * 43 + "=")


async def test_a_callback_arrives_signed_with_the_users_secret(
    api: ApiServer, receiver: WebhookReceiver, user: str
) -> None:
    secret = (await api.repository.rotate_callback_secret(user, timedelta())).secret
    await api.repository.create_rejected(
        f"job-{uuid.uuid4()}",
        user_id=user,
        display_name=None,
        error="no segments",
        actor="test",
        callback_url=f"{receiver.url}/callback?order=4711",
    )
    request = await next_request(receiver)
    assert request.path == "/callback?order=4711"
    assert request.verify(secret)["type"] == "job.failed"


# ---- receivers that fail -----------------------------------------------------------------------------------


async def test_retries_have_the_same_id_and_a_new_time(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    delivery, tries = await deliver(api, user, f"{receiver.url}/flaky/2/{user}")
    requests = [await next_request(receiver) for _ in range(3)]
    assert delivery.state == "delivered"
    assert {request.id for request in requests} == {delivery.id}
    assert len({request.raw for request in requests}) == 1
    assert [(item.status, item.error, item.response) for item in tries] == [
        (503, "it answered 503", "flaky"),
        (503, "it answered 503", "flaky"),
        (200, None, "flaky"),
    ]


async def test_a_delivery_fails_after_its_last_try(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    delivery, tries = await deliver(api, user, f"{receiver.url}/status/500")
    assert (delivery.state, len(tries)) == ("failed", 3)
    assert all(item.duration_ms >= 0 for item in tries)


async def test_redirects_are_not_followed(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    delivery, tries = await deliver(api, user, f"{receiver.url}/redirect/{user}")
    assert delivery.state == "failed"
    assert tries[0].error == "it answered 302, a redirect, and webhooks follow none: give the final address"
    assert delivery.id not in [item.id for item in receiver.received if item.path == "/ok"]


async def test_410_ends_and_disables(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    delivery, tries = await deliver(api, user, f"{receiver.url}/status/410")
    assert (delivery.state, len(tries)) == ("failed", 1)
    endpoint = await api.repository.get_webhook_endpoint(user, delivery.endpoint_id)
    assert endpoint.disabled_reason == "It answered 410 (Gone): it wants no more messages."


async def test_a_receiver_that_is_away_is_tried_again(api: ApiServer, user: str) -> None:
    with run_webhook_receiver() as gone:
        url = gone.url
    delivery, tries = await deliver(api, user, f"{url}/ok")
    assert delivery.state == "failed"
    assert {item.error for item in tries} == {"the connection failed (ConnectError)"}


async def test_a_receiver_that_is_killed_gets_it_again(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    delivery, tries = await deliver(api, user, f"{receiver.url}/killed/1/{user}")
    assert delivery.state == "delivered"
    assert [item.status for item in tries] == [None, 200]
    assert [(await next_request(receiver)).id for _ in range(2)] == [delivery.id] * 2


async def test_a_hanging_receiver_is_given_up_and_delays_nobody(
    api: ApiServer, receiver: WebhookReceiver, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_TIMEOUT_SECONDS", "5")
    hanging = await create_endpoint(api, user, f"{receiver.url}/hang")
    healthy = await create_endpoint(api, user, f"{receiver.url}/ok")
    stuck = [await api.repository.send_test_webhook(user, hanging.id, {}) for _ in range(12)]
    sent = [await api.repository.send_test_webhook(user, healthy.id, {}) for _ in range(12)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    for delivery_id in sent:
        assert (await wait_for_end(api, delivery_id))[0].state == "delivered"
    assert loop.time() - began < 5, "they did not wait for the hanging ones"
    states = [(await api.repository.get_webhook_delivery(user, each))[0].state for each in stuck]
    assert set(states) == {"pending"}
    async with asyncio.timeout(20):
        while not (tries := (await api.repository.get_webhook_delivery(user, stuck[0]))[1]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert tries[0].error == "no answer within 5 s"
    await api.repository.delete_webhook_endpoint(user, hanging.id)


async def test_an_endless_answer_counts_by_its_status(
    api: ApiServer, receiver: WebhookReceiver, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_TIMEOUT_SECONDS", "1")
    delivery, tries = await deliver(api, user, f"{receiver.url}/drip")
    assert (delivery.state, [(item.status, item.response) for item in tries]) == ("delivered", [(200, "x")])


async def test_only_the_beginning_of_an_answer_is_kept(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    _, tries = await deliver(api, user, f"{receiver.url}/large")
    assert tries[0].response.startswith("�<b>xxx")
    assert len(tries[0].response) == EXCERPT_BYTES


# ---- where webhooks may not go -----------------------------------------------------------------------------

PUBLIC_ONLY = webhook_policy(AccessSettings(allow_plain_http=True))
NOT_REACHABLE = "its address does not lead to a host that anyone on the internet can reach"


async def try_once(url: str, policy: UrlPolicy, *addresses: str) -> AttemptResult:
    sender = WebhookSender(lambda: policy, resolver=lambda _host, _port: list(addresses))
    try:
        return await sender.send(url, {}, "{}", timeout_seconds=5, fault_job="none")
    finally:
        await sender.close()


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:7f00:1"], []],
)
async def test_a_name_that_leads_inside_is_never_connected(receiver: WebhookReceiver, addresses: list[str]) -> None:
    """Also a name that was public when it was stored: each try checks the address that it connects to."""
    before = len(receiver.received)
    result = await try_once(f"http://rebound.example.com:{httpx.URL(receiver.url).port}/ok", PUBLIC_ONLY, *addresses)
    assert (result.status, result.error) == (None, NOT_REACHABLE)
    assert len(receiver.received) == before


async def test_a_private_endpoint_fails_where_it_is_not_allowed(
    api: ApiServer, receiver: WebhookReceiver, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was created while the setting allowed it."""
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PRIVATE_INPUTS", "false")
    before = len(receiver.received)
    delivery, tries = await deliver(api, user, f"{receiver.url}/ok")
    assert (delivery.state, tries[0].error) == ("failed", NOT_REACHABLE)
    assert len(receiver.received) == before


async def test_the_request_names_the_host_not_its_address(receiver: WebhookReceiver) -> None:
    policy = webhook_policy(AccessSettings(allow_plain_http=True, allow_private_inputs=True))
    port = httpx.URL(receiver.url).port
    assert (await try_once(f"http://hooks.example.com:{port}/ok", policy, "127.0.0.1")).status == 200
    assert receiver.received[-1].headers["host"] == f"hooks.example.com:{port}"


# ---- metrics -----------------------------------------------------------------------------------------------


async def test_metrics_count_tries_and_what_waits(api: ApiServer, receiver: WebhookReceiver, user: str) -> None:
    await deliver(api, user, f"{receiver.url}/flaky/1/{user}")
    async with httpx.AsyncClient(base_url=api.base_url) as prometheus:
        text = (await prometheus.get("/metrics")).text
    assert 'videojobs_webhook_attempts_total{outcome="delivered"}' in text
    assert 'videojobs_webhook_attempts_total{outcome="retried"}' in text
    for gauge in ("videojobs_webhooks_pending", "videojobs_webhook_oldest_pending_seconds"):
        assert f"\n{gauge} " in text
