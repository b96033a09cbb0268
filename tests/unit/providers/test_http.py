"""HTTP requests to vendors, and the meaning of a missing response."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from tests.support.scripted_vendor import API_KEY, ScriptedVendor
from videojobs.errors import ConfigurationError, OutcomeUnknown, VendorUnavailable
from videojobs.providers.http import parse_retry_after, send, vendor_http_client

NEVER_SENT = [
    httpx.ConnectError("Name or service not known"),
    httpx.ConnectTimeout(""),
    httpx.PoolTimeout(""),
    httpx.UnsupportedProtocol("no scheme"),
]
POSSIBLY_SENT = [
    httpx.ReadTimeout(""),
    httpx.WriteTimeout(""),
    httpx.ReadError("reset"),
    httpx.WriteError("broken pipe"),
    httpx.CloseError(""),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.LocalProtocolError("Can't send data when our state is ERROR"),
    httpx.DecodingError("bad gzip"),
]


async def send_request(vendor: ScriptedVendor, *, paid: bool) -> httpx.Response:
    http = vendor_http_client("https://vendor.test", headers={"x-api-key": API_KEY}, transport=vendor.transport())
    return await send(
        http, http.build_request("POST", "/buy", content=b"{}"), vendor="Vendor", call="vendor.buy", paid=paid
    )


@pytest.mark.parametrize("paid", [True, False])
@pytest.mark.parametrize("failure", NEVER_SENT, ids=repr)
async def test_a_request_that_never_left_can_be_tried_again(failure: Exception, paid: bool) -> None:
    with pytest.raises(VendorUnavailable, match=f"Vendor could not be reached: {type(failure).__name__}"):
        await send_request(ScriptedVendor(failure), paid=paid)


@pytest.mark.parametrize("failure", POSSIBLY_SENT, ids=repr)
async def test_a_paid_request_possibly_sent_has_an_unknown_outcome(failure: Exception) -> None:
    vendor = ScriptedVendor(failure)
    with pytest.raises(OutcomeUnknown, match="may or may not have accepted") as caught:
        await send_request(vendor, paid=True)
    assert caught.value.vendor_id is None
    assert len(vendor.requests) == 1  # and is never sent again automatically


@pytest.mark.parametrize("failure", POSSIBLY_SENT, ids=repr)
async def test_a_free_request_without_an_answer_can_be_tried_again(failure: Exception) -> None:
    with pytest.raises(VendorUnavailable, match="sent no usable response"):
        await send_request(ScriptedVendor(failure), paid=False)


async def test_an_answer_that_breaks_off_in_its_body_counts_as_sent() -> None:
    async def interrupted_body() -> AsyncIterator[bytes]:
        yield b'{"id": '
        raise httpx.ReadError("connection reset")

    with pytest.raises(OutcomeUnknown):
        await send_request(ScriptedVendor(httpx.Response(201, content=interrupted_body())), paid=True)


async def test_a_protocol_error_that_quotes_a_header_is_not_repeated() -> None:
    quoting = httpx.LocalProtocolError(f"Illegal header value b'{API_KEY}'")
    with pytest.raises(OutcomeUnknown) as caught:
        await send_request(ScriptedVendor(quoting), paid=True)
    assert API_KEY not in str(caught.value)


async def test_a_real_refused_connection_counts_as_never_sent() -> None:
    async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    async with vendor_http_client(f"http://127.0.0.1:{port}", connect_retries=0) as http:
        with pytest.raises(VendorUnavailable, match="could not be reached"):
            await send(
                http, http.build_request("POST", "/buy", content=b"{}"), vendor="Vendor", call="vendor.buy", paid=True
            )


async def test_a_real_dropped_connection_counts_as_possibly_sent() -> None:
    arrived = asyncio.Event()

    async def close_after_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        arrived.set()
        writer.close()

    async with await asyncio.start_server(close_after_request, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with vendor_http_client(f"http://127.0.0.1:{port}") as http:
            with pytest.raises(OutcomeUnknown, match="RemoteProtocolError"):
                await send(
                    http,
                    http.build_request("POST", "/buy", content=b"{}"),
                    vendor="Vendor",
                    call="vendor.buy",
                    paid=True,
                )
    assert arrived.is_set()


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_redirect_is_a_configuration_error_and_leaks_no_key(status: int) -> None:
    elsewhere = httpx.Response(status, headers={"location": "https://thief.test/v2?token=abc"})
    vendor = ScriptedVendor(elsewhere)
    with pytest.raises(ConfigurationError, match=r"has moved to https://thief\.test/v2: correct its base URL"):
        await send_request(vendor, paid=True)
    assert [request.url.host for request in vendor.requests] == ["vendor.test"]


async def test_another_redirect_of_a_paid_call_has_an_unknown_outcome() -> None:
    vendor = ScriptedVendor(httpx.Response(303, headers={"location": "https://vendor.test/made"}))
    with pytest.raises(OutcomeUnknown, match="303"):
        await send_request(vendor, paid=True)
    with pytest.raises(VendorUnavailable, match="303"):
        await send_request(ScriptedVendor(httpx.Response(303)), paid=False)


async def test_a_redirect_is_never_followed() -> None:
    vendor = ScriptedVendor(httpx.Response(302, headers={"location": "https://thief.test/"}))
    async with httpx.AsyncClient(transport=vendor.transport(), follow_redirects=True) as http:
        with pytest.raises(VendorUnavailable):
            await send(
                http, http.build_request("GET", "https://vendor.test/"), vendor="Vendor", call="vendor.buy", paid=False
            )
    assert vendor.request.url.host == "vendor.test"


async def test_credentials_are_sent_but_never_shown_in_repr() -> None:
    vendor = ScriptedVendor(httpx.Response(200))
    for given in (API_KEY, SecretStr(API_KEY)):
        http = vendor_http_client("https://vendor.test", headers={"x-api-key": given}, transport=vendor.transport())
        await http.get("/")
        assert API_KEY not in repr(http) + repr(http.headers) + repr(vars(http)) + repr(vars(http.auth))
    assert [request.headers["x-api-key"] for request in vendor.requests] == [API_KEY, API_KEY]


@pytest.mark.parametrize("bad", ["", "key with blank", "key\n", "key\r\nx-evil: 1", "schlüssel", "key\x00"])
def test_an_invalid_header_credential_is_refused_and_not_quoted(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="x-api-key is empty or contains") as caught:
        vendor_http_client("https://vendor.test", headers={"x-api-key": bad})
    assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "api.sync.so", "ftp://api.sync.so", "https://", "https://[::1", "/v2"])
def test_an_unusable_base_url_is_a_configuration_error(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        vendor_http_client(bad)


async def test_each_phase_of_a_request_has_its_own_time_out() -> None:
    vendor = ScriptedVendor(httpx.Response(200))
    await vendor_http_client("https://vendor.test", transport=vendor.transport(), read_seconds=7).get("/")
    assert vendor.request.extensions["timeout"] == {"connect": 10.0, "read": 7, "write": 30.0, "pool": 60.0}


async def test_a_base_url_may_have_a_path() -> None:
    vendor = ScriptedVendor(httpx.Response(200))
    await vendor_http_client("https://proxy.test/sync/", transport=vendor.transport()).get("/v2/generate")
    assert str(vendor.request.url) == "https://proxy.test/sync/v2/generate"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 60.0),
        ({"retry-after": "Fri, 20 Nov 2020 10:01:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:01:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 -0000"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_the_wait_a_vendor_asks_for_is_read_as_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(httpx.Response(429, headers=headers)) == seconds
