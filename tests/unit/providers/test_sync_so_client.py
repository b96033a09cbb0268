"""Sync.so's API methods: requests, and parsing of successful responses. Error responses: test_sync_so_refusals."""

import json
from decimal import Decimal

import httpx
import pytest

from tests.support.scripted_vendor import API_KEY, ScriptedVendor
from videojobs.errors import ConfigurationError, OutcomeUnknown, VendorRejected, VendorUnavailable
from videojobs.providers.http import vendor_http_client
from videojobs.providers.sync_so.client import SyncSoClient
from videojobs.providers.sync_so.errors import GenerationNotFound

PENDING = {"id": "g-1", "createdAt": "2026-11-20T10:00:00Z", "status": "PENDING", "model": "lipsync-2", "input": []}
BODY = b'{"model":"lipsync-2","input":[]}'


def json_response(answer: object, status: int = 200) -> ScriptedVendor:
    return ScriptedVendor(httpx.Response(status, json=answer))


@pytest.mark.parametrize("status", [201, 200])
async def test_create_sends_the_exact_bytes_with_both_keys(status: int) -> None:
    vendor = json_response(PENDING, status)
    generation = await vendor.sync_so().create(BODY, "job-1.lip-sync.1")
    assert (generation.id, generation.is_running) == ("g-1", True)
    assert (vendor.request.method, str(vendor.request.url)) == ("POST", "https://sync.test/v2/generate")
    assert vendor.request.content == BODY
    assert vendor.request.headers["idempotency-key"] == "job-1.lip-sync.1"
    assert vendor.request.headers["x-api-key"] == API_KEY
    assert vendor.request.headers["content-type"] == "application/json"
    assert "authorization" not in vendor.request.headers


@pytest.mark.parametrize("key", ["", "k" * 129, "key with blank", "key\n", "schlüssel", "a/b"])
async def test_an_invalid_idempotency_key_is_not_sent(key: str) -> None:
    vendor = json_response(PENDING)
    with pytest.raises(ValueError, match="1 to 128"):
        await vendor.sync_so().create(BODY, key)
    assert vendor.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(201, text="<html>"),
        httpx.Response(201, content=b""),
        httpx.Response(201, content=b'{"id": "g-'),
        httpx.Response(201, content=b"\xff\xfe"),
        httpx.Response(201, json={"status": "PENDING"}),
        httpx.Response(201, json=[PENDING]),
        httpx.Response(204),
    ],
    ids=lambda answer: repr(answer.content),
)
async def test_an_unreadable_create_answer_has_an_unknown_outcome(answer: httpx.Response) -> None:
    with pytest.raises(OutcomeUnknown, match="unreadable body"):
        await ScriptedVendor(answer).sync_so().create(BODY, "k")


async def test_a_generation_is_fetched_by_its_id() -> None:
    vendor = json_response(PENDING | {"status": "COMPLETED", "outputUrl": "https://x.test"})
    assert (await vendor.sync_so().get("g/1?x")).is_done
    assert str(vendor.request.url) == "https://sync.test/v2/generate/g%2F1%3Fx"
    assert vendor.request.extensions["timeout"]["read"] == 60.0


@pytest.mark.parametrize(("requested", "sent"), [(1, "1"), (10, "10"), (0, "1"), (60, "10")])
async def test_a_long_poll_stays_within_the_vendors_limits(requested: int, sent: str) -> None:
    vendor = json_response(PENDING)
    await vendor.sync_so().get("g-1", wait_seconds=requested)
    assert dict(vendor.request.url.params) == {"wait": "true", "timeout": sent}


@pytest.mark.parametrize(("client_reads", "poll_reads"), [(5.0, 25.0), (60.0, 60.0)])
async def test_a_long_poll_is_read_longer_than_the_vendor_waits(client_reads: float, poll_reads: float) -> None:
    vendor = json_response(PENDING)
    http = vendor_http_client("https://sync.test", transport=vendor.transport(), read_seconds=client_reads)
    await SyncSoClient(http).get("g-1", wait_seconds=10)
    assert vendor.request.extensions["timeout"] == {
        "connect": 10.0,
        "read": poll_reads,
        "write": 30.0,
        "pool": 60.0,
    }


async def test_a_long_poll_keeps_an_unlimited_read_timeout() -> None:
    vendor = json_response(PENDING)
    http = vendor_http_client("https://sync.test", transport=vendor.transport())
    http.timeout = httpx.Timeout(5.0, read=None)
    await SyncSoClient(http).get("g-1", wait_seconds=10)
    assert vendor.request.extensions["timeout"]["read"] is None


async def test_progress_is_fetched_without_waiting() -> None:
    vendor = json_response(PENDING | {"progress_percent": 40})
    assert (await vendor.sync_so().get("g-1", progress=True)).progress_percent == 40.0
    assert dict(vendor.request.url.params) == {"include": "progress"}
    with pytest.raises(ValueError, match="in one call"):
        await vendor.sync_so().get("g-1", progress=True, wait_seconds=5)


async def test_an_unreadable_status_is_retryable() -> None:
    with pytest.raises(VendorUnavailable, match="unreadable body"):
        await ScriptedVendor(httpx.Response(200, text="oops")).sync_so().get("g-1")


@pytest.mark.parametrize("text", ["https://store.test/r?token=1", '"https://store.test/r?token=1"\n'])
async def test_a_fresh_download_link_is_plain_text(text: str) -> None:
    vendor = ScriptedVendor(httpx.Response(200, text=text))
    assert await vendor.sync_so().download_url("g-1") == "https://store.test/r?token=1"
    assert vendor.request.url.path == "/v2/generations/g-1/download"


async def test_an_answer_without_a_link_is_no_download_link() -> None:
    with pytest.raises(VendorUnavailable, match="no download link"):
        await ScriptedVendor(httpx.Response(200, text="<html>")).sync_so().download_url("g-1")


async def test_the_newest_generations_are_listed_page_by_page() -> None:
    vendor = json_response([PENDING, PENDING | {"id": 2}])
    assert [generation.id for generation in await vendor.sync_so().list_recent()] == ["g-1", "2"]
    await vendor.sync_so().list_recent(limit=5, cursor="g-1")
    assert [str(request.url.query, "ascii") for request in vendor.requests] == ["limit=100", "limit=5&cursor=g-1"]


async def test_the_credential_check_costs_nothing() -> None:
    vendor = json_response([])
    await vendor.sync_so().check_credentials()
    assert (vendor.request.method, vendor.request.url.path) == ("GET", "/v2/generations")


async def test_the_credential_check_fails_for_a_bad_key() -> None:
    vendor = json_response({"message": "Unauthorized", "statusCode": 401}, 401)
    with pytest.raises(ConfigurationError, match="does not accept the API key"):
        await vendor.sync_so().check_credentials()


async def test_an_estimate_sends_model_duration_and_frame_rate() -> None:
    vendor = json_response({"estimatedFrameCount": 300, "estimatedGenerationCost": 0.4, "estimatedCredits": None})
    estimate = await vendor.sync_so().estimate(BODY, duration=10.0, fps=30)
    assert (estimate.frames, estimate.cost_usd, estimate.credits) == (300, Decimal("0.4"), None)
    assert vendor.request.url.path == "/v2/generations/estimate"
    assert json.loads(vendor.request.content) == {"model": "lipsync-2", "duration": 10, "fps": 30}


async def test_an_older_api_estimates_from_the_whole_request() -> None:
    unknown = httpx.Response(404, json={"message": "Cannot POST", "error": "Not Found", "statusCode": 404})
    older = httpx.Response(201, json=[{"estimatedFrameCount": 250, "estimatedGenerationCost": "0.35"}])
    vendor = ScriptedVendor(unknown, older)
    estimate = await vendor.sync_so().estimate(BODY, duration=10)
    assert (estimate.frames, estimate.cost_usd) == (250, Decimal("0.35"))
    assert vendor.requests[1].url.path == "/v2/analyze/cost"
    assert vendor.requests[1].content == BODY


async def test_an_empty_estimate_says_nothing() -> None:
    assert (await json_response([]).sync_so().estimate(BODY, duration=10)).cost_usd is None


async def test_a_refused_estimate_carries_the_vendors_code() -> None:
    vendor = json_response({"message": "no price", "errorCode": "cost_estimate_unavailable", "statusCode": 422}, 422)
    with pytest.raises(VendorRejected) as caught:
        await vendor.sync_so().estimate(BODY, duration=10)
    assert caught.value.vendor_code == "cost_estimate_unavailable"


async def test_an_unknown_generation_has_its_own_error() -> None:
    vendor = json_response(
        {"message": "Generation not found", "errorCode": "generation_not_found", "statusCode": 404}, 404
    )
    for question in (vendor.sync_so().get("g-1"), vendor.sync_so().download_url("g-1")):
        with pytest.raises(GenerationNotFound, match="Generation not found"):
            await question
