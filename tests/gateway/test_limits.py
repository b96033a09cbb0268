"""Doors with tighter settings: who is slow, endless, too many or too eager."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from tests.gateway.attacking import FORM_TYPE, JOBS, UPLOADS, part
from tests.gateway.conftest import OpenDoor, open_door, until
from tests.gateway.forms import PROCESS, a_video, fields, files


@pytest.fixture(scope="module")
async def strict(ground_variables: dict[str, str]) -> AsyncIterator[OpenDoor]:
    """Small limits, so that they are met soon."""
    with open_door(
        ground_variables,
        upload_stall_seconds=0.5,
        upload_slowest=10_000,
        form_bytes=100_000,
        json_seconds=0.5,
        requests_per_minute=20,
        failures_per_minute=5,
        uploads_at_once=2,
    ) as door:
        yield door


@asynccontextmanager
async def slow_form(door: OpenDoor, user: str, pause: float, size: int) -> AsyncIterator[asyncio.StreamReader]:
    """A form that never ends: after each pause comes a little more of its video. Gives what the door answers."""
    headers = f"Content-Type: {FORM_TYPE['Content-Type']}\r\nAuthorization: Bearer {await door.token(user)}\r\n"
    first = part("file", a_video(), "talk.mp4").removesuffix(b"\r\n")
    async with dripping(door, PROCESS, headers, first, pause, b"v" * size) as reader:
        yield reader


@asynccontextmanager
async def dripping(
    door: OpenDoor, path: str, headers: str, first: bytes, pause: float, more: bytes
) -> AsyncIterator[asyncio.StreamReader]:
    """A body that never ends. httpx would not read an answer to it before the connection breaks."""
    host, port = door.address.removeprefix("http://").split(":")
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


async def answered(reader: asyncio.StreamReader) -> bytes:
    """All of an answer, after which the door closes the connection; who still sends then finds it reset."""
    answer = b""
    async with asyncio.timeout(15):
        with suppress(ConnectionResetError):
            while piece := await reader.read(65_536):
                answer += piece
    return answer


@pytest.mark.parametrize(("pause", "size"), [(30, 1), (0.1, 10)], ids=["it stalls", "it trickles"])
async def test_an_upload_that_comes_too_slowly_is_ended(strict: OpenDoor, user: str, pause: float, size: int) -> None:
    async with slow_form(strict, user, pause, size) as reader:
        answer = await answered(reader)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"application/problem+json" in answer
    assert strict.left_of(user) == []


@pytest.mark.parametrize(("path", "has_token"), [(JOBS, True), (UPLOADS, True), ("/login", False)])
async def test_so_is_any_other_body(strict: OpenDoor, user: str, path: str, has_token: bool) -> None:
    who = f"Authorization: Bearer {await strict.token(user)}\r\n" if has_token else "Origin: http://x\r\n"
    headers = f"{who}Content-Type: application/json\r\n"
    async with dripping(strict, path, headers, b" ", 0.1, b" ") as reader:
        answer = (await answered(reader)).lower()
    assert answer.startswith(b"http/1.1 408 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("path", [JOBS, UPLOADS, f"{UPLOADS}/x/complete", "/submit/check"])
async def test_without_a_token_a_body_is_not_even_read(strict: OpenDoor, path: str) -> None:
    async with dripping(strict, path, "Content-Type: application/json\r\n", b" ", 0.1, b" ") as reader:
        assert (await answered(reader)).startswith(b"HTTP/1.1 401 ")


async def test_a_body_that_never_ends_is_ended_at_the_limit(strict: OpenDoor, user: str) -> None:
    async with slow_form(strict, user, 0.2, 30_000) as reader:
        assert (await answered(reader)).startswith(b"HTTP/1.1 413 ")
    assert strict.left_of(user) == []


async def test_more_uploads_than_there_is_room_for_are_asked_to_come_again(strict: OpenDoor, user: str) -> None:
    others = [f"{user}-2", f"{user}-3"]
    async with slow_form(strict, user, 30, 1) as first, await strict.client(user) as http:
        await until(lambda: not strict.front.room.is_empty)
        assert (await http.post(PROCESS, files=files(), data=fields())).status_code == 429, (
            "half of the room is for others"
        )
        async with slow_form(strict, others[0], 30, 1), await strict.client(others[1]) as third:
            await until(lambda: strict.front.room.is_full)
            answer = await third.post(PROCESS, files=files(), data=fields())
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert (await answered(first)).startswith(b"HTTP/1.1 408 ")


async def test_who_sends_many_files_slowly_holds_up_nobody_else(ground_variables: dict[str, str], user: str) -> None:
    with open_door(ground_variables, upload_parts=2, upload_stall_seconds=60) as door:
        async with (
            slow_form(door, user, 0.05, 100),
            slow_form(door, user, 0.05, 100),
            slow_form(door, user, 0.05, 100),
            await door.client(f"{user}-2") as http,
        ):
            await until(lambda: not door.front.room.is_empty)
            await asyncio.sleep(0.5)  # so that they take all that they are given
            answer = await http.post(PROCESS, files=files(), data=fields(), timeout=10)
            assert answer.status_code == 202, answer.text
            await http.post(f"{JOBS}/{answer.json()['job_id']}/cancel")  # else the next door would start it


async def test_a_token_that_asks_too_often_is_slowed_down_and_others_are_not(strict: OpenDoor, user: str) -> None:
    async with await strict.client(user) as hasty, await strict.client(f"{user}-2") as other:
        answers = [await hasty.get(JOBS) for _ in range(25)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await other.get(JOBS)).status_code == 200


async def test_an_address_that_guesses_tokens_is_slowed_down(strict: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=strict.address) as guesser:
        tries = [await guesser.get(JOBS, headers={"Authorization": f"Bearer {uuid.uuid4()}"}) for _ in range(7)]
    strict.front.failures._buckets.clear()
    assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
    assert "Retry-After" in tries[-1].headers
