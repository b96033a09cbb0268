"""APIs with tight limits against slow, endless, too many or too frequent requests."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from tests.integration.api.conftest import ApiServer, run_api_server, wait_until
from tests.support.attack_table import FORM_TYPE, JOBS_URL, UPLOADS_URL, form_part
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files, video_bytes


@pytest.fixture(scope="module")
async def strict_api(service_variables: dict[str, str]) -> AsyncIterator[ApiServer]:
    """Small limits, so that tests reach them quickly."""
    with run_api_server(
        service_variables,
        upload_stall_seconds=0.5,
        min_upload_bytes_per_second=10_000,
        max_form_bytes=100_000,
        json_timeout_seconds=0.5,
        requests_per_minute=20,
        failures_per_minute=5,
        max_uploads=2,
    ) as api:
        yield api


@asynccontextmanager
async def send_slow_form(api: ApiServer, user: str, pause: float, size: int) -> AsyncIterator[asyncio.StreamReader]:
    """Send a form that never ends: after each pause, a little more of its video. Returns the response."""
    headers = f"Content-Type: {FORM_TYPE['Content-Type']}\r\nAuthorization: Bearer {await api.create_token(user)}\r\n"
    first = form_part("file", video_bytes(), "talk.mp4").removesuffix(b"\r\n")
    async with send_endless_body(api, PROCESS_URL, headers, first, pause, b"v" * size) as reader:
        yield reader


@asynccontextmanager
async def send_endless_body(
    api: ApiServer, path: str, headers: str, first: bytes, pause: float, more: bytes
) -> AsyncIterator[asyncio.StreamReader]:
    """Send a body that never ends. httpx would not read a response before the connection breaks."""
    host, port = api.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Transfer-Encoding: chunked\r\n\r\n".encode())

    async def send() -> None:
        piece = first
        with suppress(ConnectionError):
            while True:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
                await asyncio.sleep(pause)
                piece = more

    sending = asyncio.create_task(send())
    try:
        yield reader
    finally:
        sending.cancel()
        writer.close()


async def read_response(reader: asyncio.StreamReader) -> bytes:
    """A whole response, after which the API closes the connection. A client that still sends gets a reset."""
    answer = b""
    async with asyncio.timeout(15):
        with suppress(ConnectionResetError):
            while piece := await reader.read(65_536):
                answer += piece
    return answer


@pytest.mark.parametrize(("pause", "size"), [(30, 1), (0.1, 10)], ids=["it stalls", "it trickles"])
async def test_a_slow_upload_gets_a_408(strict_api: ApiServer, user: str, pause: float, size: int) -> None:
    async with send_slow_form(strict_api, user, pause, size) as reader:
        answer = await read_response(reader)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"application/problem+json" in answer
    assert strict_api.stored_keys(user) == []


@pytest.mark.parametrize(("path", "has_token"), [(JOBS_URL, True), (UPLOADS_URL, True), ("/login", False)])
async def test_any_slow_body_gets_a_408(strict_api: ApiServer, user: str, path: str, has_token: bool) -> None:
    who = f"Authorization: Bearer {await strict_api.create_token(user)}\r\n" if has_token else "Origin: http://x\r\n"
    headers = f"{who}Content-Type: application/json\r\n"
    async with send_endless_body(strict_api, path, headers, b" ", 0.1, b" ") as reader:
        answer = (await read_response(reader)).lower()
    assert answer.startswith(b"http/1.1 408 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("path", [JOBS_URL, UPLOADS_URL, f"{UPLOADS_URL}/x/complete", "/submit/check"])
async def test_a_body_without_a_token_is_not_read(strict_api: ApiServer, path: str) -> None:
    async with send_endless_body(strict_api, path, "Content-Type: application/json\r\n", b" ", 0.1, b" ") as reader:
        assert (await read_response(reader)).startswith(b"HTTP/1.1 401 ")


async def test_an_endless_body_is_cut_off_at_the_limit(strict_api: ApiServer, user: str) -> None:
    async with send_slow_form(strict_api, user, 0.2, 30_000) as reader:
        assert (await read_response(reader)).startswith(b"HTTP/1.1 413 ")
    assert strict_api.stored_keys(user) == []


async def test_uploads_beyond_capacity_get_a_503(
    strict_api: ApiServer, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The uploads that occupy the pool stay until the test has seen its responses, however busy the machine is.
    monkeypatch.setitem(vars(strict_api.app_state.settings), "upload_stall_seconds", 60)
    others = [f"{user}-2", f"{user}-3"]
    async with send_slow_form(strict_api, user, 30, 1), await strict_api.create_client(user) as http:
        await wait_until(lambda: not strict_api.app_state.upload_pool.is_empty)
        assert (await http.post(PROCESS_URL, files=form_files(), data=form_fields())).status_code == 429, (
            "half of the room is for others"
        )
        async with send_slow_form(strict_api, others[0], 30, 1), await strict_api.create_client(others[1]) as third:
            await wait_until(lambda: strict_api.app_state.upload_pool.is_full)
            answer = await third.post(PROCESS_URL, files=form_files(), data=form_fields())
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


async def test_a_slow_client_does_not_delay_other_uploads(service_variables: dict[str, str], user: str) -> None:
    with run_api_server(service_variables, upload_buffers=2, upload_stall_seconds=60) as api:
        async with (
            send_slow_form(api, user, 0.05, 100),
            send_slow_form(api, user, 0.05, 100),
            send_slow_form(api, user, 0.05, 100),
            await api.create_client(f"{user}-2") as http,
        ):
            await wait_until(api.app_state.upload_pool.user_buffer_slots(user).locked)  # they hold the user's share
            answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields(), timeout=10)
            assert answer.status_code == 202, answer.text
            await http.post(f"{JOBS_URL}/{answer.json()['job_id']}/cancel")  # otherwise the next API would start it


async def test_a_rate_limited_token_does_not_affect_others(strict_api: ApiServer, user: str) -> None:
    async with await strict_api.create_client(user) as hasty, await strict_api.create_client(f"{user}-2") as other:
        answers = [await hasty.get(JOBS_URL) for _ in range(25)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await other.get(JOBS_URL)).status_code == 200


async def test_an_address_guessing_tokens_is_rate_limited(strict_api: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=strict_api.base_url) as guesser:
        tries = [await guesser.get(JOBS_URL, headers={"Authorization": f"Bearer {uuid.uuid4()}"}) for _ in range(7)]
    strict_api.app_state.auth_failure_buckets._buckets.clear()
    assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
    assert "Retry-After" in tries[-1].headers
