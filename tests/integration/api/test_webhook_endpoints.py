"""Webhook endpoints over the API: created, changed, tested, replayed, and only by their owner."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import ApiServer
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files
from tests.support.webhook_receiver import WebhookReceiver, run_webhook_receiver
from videojobs.db.tokens import Scope

ENDPOINTS = "/api/v1/webhook-endpoints"
DELIVERIES = "/api/v1/webhook-deliveries"
CALLBACK_SECRET = "/api/v1/webhook-callback-secret"
PUBLIC_URL = "https://hooks.example.com/videojobs"


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with run_webhook_receiver() as running:
        yield running


@pytest.fixture
def local_receiver(monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver) -> WebhookReceiver:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PLAIN_HTTP", "true")
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PRIVATE_INPUTS", "true")
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_RETRY_DELAYS_SECONDS", "0.05")
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_POLL_SECONDS", "0.05")
    return receiver


async def create_endpoint(http: httpx.AsyncClient, url: str = PUBLIC_URL, **more: Any) -> dict[str, Any]:
    answer = await http.post(ENDPOINTS, json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def wait_for_state(http: httpx.AsyncClient, delivery_id: str, *states: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = (await http.get(f"{DELIVERIES}/{delivery_id}")).json()
            if found["state"] in states:
                return found
            await asyncio.sleep(0.03)


# ---- endpoints ---------------------------------------------------------------------------------------------


async def test_the_secret_of_an_endpoint_is_shown_once(http: httpx.AsyncClient) -> None:
    created = await create_endpoint(http, description="Orders")
    assert created["secret"].startswith("whsec_")
    shown = (await http.get(f"{ENDPOINTS}/{created['id']}")).json()
    assert shown == {name: value for name, value in created.items() if name != "secret"}
    assert (await http.get(ENDPOINTS)).json() == {"endpoints": [shown]}
    assert shown["enabled"]
    assert shown["events"] == [
        "job.started",
        "job.parked",
        "job.completed",
        "job.failed",
        "job.cancelled",
        "job.deleted",
    ]


async def test_an_endpoint_is_changed_disabled_and_enabled(http: httpx.AsyncClient) -> None:
    path = f"{ENDPOINTS}/{(await create_endpoint(http))['id']}"
    changed = (await http.patch(path, json={"url": f"{PUBLIC_URL}/2", "events": ["job.progress"]})).json()
    assert (changed["url"], changed["events"]) == (f"{PUBLIC_URL}/2", ["job.progress"])
    disabled = (await http.patch(path, json={"enabled": False})).json()
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "You disabled it.")
    refused = await http.post(f"{path}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_endpoint_disabled")
    enabled = (await http.patch(path, json={"enabled": True})).json()
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)


async def test_a_deleted_endpoint_is_gone(http: httpx.AsyncClient) -> None:
    path = f"{ENDPOINTS}/{(await create_endpoint(http))['id']}"
    assert (await http.delete(path)).status_code == 204
    gone = await http.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook_endpoint_not_found")


async def test_a_rotation_gives_a_new_secret_and_its_overlap(http: httpx.AsyncClient) -> None:
    created = await create_endpoint(http)
    rotated = (await http.post(f"{ENDPOINTS}/{created['id']}/rotate-secret")).json()
    assert rotated["secret"] not in ("", created["secret"])
    shown = (await http.get(f"{ENDPOINTS}/{created['id']}")).json()
    assert shown["previous_secret_until"] == rotated["previous_secret_until"] is not None


async def test_callback_secrets_are_created_and_rotated(http: httpx.AsyncClient) -> None:
    first, second = [(await http.post(CALLBACK_SECRET)).json()["secret"] for _ in range(2)]
    assert first != second
    assert (await http.get(ENDPOINTS)).json() == {"endpoints": []}


async def test_too_many_endpoints_are_refused(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_MAX_ENDPOINTS", "1")
    await create_endpoint(http)
    refused = await http.post(ENDPOINTS, json={"url": PUBLIC_URL})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhook_endpoints")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": PUBLIC_URL, "events": []}, "events"),
        ({"url": PUBLIC_URL, "events": ["job.exploded"]}, "events[0]"),
        ({"url": PUBLIC_URL, "description": "x" * 201}, "description"),
        ({"url": PUBLIC_URL, "secret": "whsec_mine"}, "secret"),
    ],
)
async def test_a_bad_endpoint_is_refused_by_its_field(
    http: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    refused = await http.post(ENDPOINTS, json=body)
    assert refused.status_code == 422, refused.text
    assert [problem["field"] for problem in refused.json()["problems"]] == [field]


# ---- who may ---------------------------------------------------------------------------------------------


async def test_another_users_endpoint_is_not_found(api: ApiServer, http: httpx.AsyncClient) -> None:
    endpoint = f"{ENDPOINTS}/{(await create_endpoint(http))['id']}"
    delivery = f"{DELIVERIES}/{(await http.post(f'{endpoint}/test')).json()['delivery_id']}"
    async with await api.create_client(f"other-{uuid.uuid4().hex[:8]}") as other:
        answers = [
            await other.get(endpoint),
            await other.patch(endpoint, json={"enabled": False}),
            await other.delete(endpoint),
            await other.post(f"{endpoint}/rotate-secret"),
            await other.post(f"{endpoint}/test"),
            await other.post(f"{endpoint}/replay-failed", json={"since": "2020-01-01T00:00:00Z"}),
            await other.get(delivery),
            await other.post(f"{delivery}/replay"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 8
        assert (await other.get(ENDPOINTS)).json() == {"endpoints": []}
        assert (await other.get(DELIVERIES)).json()["deliveries"] == []
    assert (await http.get(endpoint)).json()["enabled"]


async def test_an_admin_sees_and_replays_what_others_have(api: ApiServer, http: httpx.AsyncClient) -> None:
    endpoint = f"{ENDPOINTS}/{(await create_endpoint(http))['id']}"
    delivery = f"{DELIVERIES}/{(await http.post(f'{endpoint}/test')).json()['delivery_id']}"
    async with await api.create_client("boss", Scope.ADMIN) as admin:
        assert (await admin.get(endpoint)).status_code == 200
        assert (await admin.post(f"{delivery}/replay")).status_code == 202


async def test_readers_look_and_submitters_change(api: ApiServer, user: str) -> None:
    async with await api.create_client(user, Scope.SUBMIT) as submitter:
        endpoint = f"{ENDPOINTS}/{(await create_endpoint(submitter))['id']}"
        assert (await submitter.get(endpoint)).status_code == 403
    async with await api.create_client(user, Scope.READ) as reader:
        assert (await reader.get(endpoint)).status_code == 200
        for path in (f"{endpoint}/test", f"{endpoint}/rotate-secret", CALLBACK_SECRET):
            assert (await reader.post(path)).status_code == 403


# ---- deliveries --------------------------------------------------------------------------------------------


async def test_a_test_event_is_delivered_and_logged(
    http: httpx.AsyncClient, local_receiver: WebhookReceiver, user: str
) -> None:
    created = await create_endpoint(http, f"{local_receiver.url}/{user}")
    delivery_id = (await http.post(f"{ENDPOINTS}/{created['id']}/test")).json()["delivery_id"]
    delivered = await wait_for_state(http, delivery_id, "delivered")
    [request] = [item for item in local_receiver.received if item.path == f"/{user}"]
    assert request.verify(created["secret"]) == delivered["message"]
    assert delivered["message"]["type"] == "webhook.test"
    assert [(item["status"], item["response"]) for item in delivered["tries"]] == [(200, "ok")]
    assert delivered["next_attempt_at"] is None


async def test_one_delivery_is_replayed_with_its_id(
    http: httpx.AsyncClient, local_receiver: WebhookReceiver, user: str
) -> None:
    endpoint = await create_endpoint(http, f"{local_receiver.url}/{user}")
    delivery_id = (await http.post(f"{ENDPOINTS}/{endpoint['id']}/test")).json()["delivery_id"]
    await wait_for_state(http, delivery_id, "delivered")
    assert (await http.post(f"{DELIVERIES}/{delivery_id}/replay")).json()["state"] == "pending"
    await wait_for_state(http, delivery_id, "delivered")
    requests = [item.id for item in local_receiver.received if item.path == f"/{user}"]
    assert requests == [delivery_id] * 2


async def test_failed_deliveries_are_replayed_after_a_repair(
    http: httpx.AsyncClient, local_receiver: WebhookReceiver, user: str
) -> None:
    endpoint = await create_endpoint(http, f"{local_receiver.url}/status/500/{user}")
    path = f"{ENDPOINTS}/{endpoint['id']}"
    ids = [(await http.post(f"{path}/test")).json()["delivery_id"] for _ in range(3)]
    for delivery_id in ids:
        await wait_for_state(http, delivery_id, "failed")
    await http.patch(path, json={"url": f"{local_receiver.url}/{user}"})
    replayed = await http.post(f"{path}/replay-failed", json={"since": endpoint["created_at"]})
    assert (replayed.status_code, replayed.json()) == (202, {"replayed": 3})
    for delivery_id in ids:
        await wait_for_state(http, delivery_id, "delivered")


async def test_deliveries_are_listed_filtered_and_paged(http: httpx.AsyncClient) -> None:
    first, second = await create_endpoint(http), await create_endpoint(http)
    ids = [(await http.post(f"{ENDPOINTS}/{first['id']}/test")).json()["delivery_id"] for _ in range(3)]
    await http.post(f"{ENDPOINTS}/{second['id']}/test")
    page = (await http.get(DELIVERIES, params={"endpoint_id": first["id"], "limit": 2})).json()
    rest = {"endpoint_id": first["id"], "limit": 2, "cursor": page["next_cursor"]}
    last = (await http.get(DELIVERIES, params=rest)).json()
    assert [item["id"] for item in [*page["deliveries"], *last["deliveries"]]] == ids[::-1]
    assert last["next_cursor"] is None
    assert len((await http.get(DELIVERIES)).json()["deliveries"]) == 4
    assert (await http.get(DELIVERIES, params={"state": "delivered"})).json()["deliveries"] == []


# ---- callbacks of jobs ---------------------------------------------------------------------------------------


async def test_a_form_with_a_callback_address_stores_it(api: ApiServer, http: httpx.AsyncClient) -> None:
    sent = await http.post(PROCESS_URL, files=form_files(), data=form_fields(callback_url=PUBLIC_URL))
    assert sent.status_code == 202, sent.text
    assert (await api.repository.get_job(sent.json()["job_id"])).request["callback_url"] == PUBLIC_URL


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/lectures"])
async def test_a_json_request_tells_its_callback(
    api: ApiServer, http: httpx.AsyncClient, local_receiver: WebhookReceiver, user: str, path: str
) -> None:
    secret = (await http.post(CALLBACK_SECRET)).json()["secret"]
    request: dict[str, Any] = {"video": "https://example.com/v.mp4", "callback_url": f"{local_receiver.url}/cb/{user}"}
    if path.endswith("jobs"):
        request["audio"] = [{"refId": "a", "source": "https://example.com/a.wav"}]
        request["segments"] = [{"startTime": 0, "endTime": 1, "audioInput": {"refId": "a"}}]
    sent = await http.post(path, json=request)
    assert sent.status_code == 202, sent.text
    job_id = sent.json()["job_id"]
    await api.repository.cancel(job_id, "none", "Cancelled; nothing was bought.", actor="test")
    listed = (await http.get(DELIVERIES, params={"job_id": job_id})).json()["deliveries"]
    assert [(item["event"], item["endpoint_id"]) for item in listed] == [("job.cancelled", None)]
    await wait_for_state(http, listed[0]["id"], "delivered")
    [request_seen] = [item for item in local_receiver.received if item.body["data"].get("job_id") == job_id]
    assert request_seen.verify(secret)["data"]["status"] == "cancelled"


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://example.com/", "https://metadata.internal/"])
async def test_a_private_callback_address_is_refused(http: httpx.AsyncClient, url: str) -> None:
    sent = await http.post(PROCESS_URL, files=form_files(), data=form_fields(callback_url=url))
    assert sent.status_code == 422
    assert [problem["field"] for problem in sent.json()["problems"]] == ["callback_url"]
