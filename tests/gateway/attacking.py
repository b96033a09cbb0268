"""How an attack at the front door is written down: a row of a table, tried in a scene."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.gateway.conftest import OpenDoor
from tests.gateway.forms import EFFECTS, PROCESS, SEGMENTS

API: Final = "/api/v1"
JOBS: Final = f"{API}/jobs"
UPLOADS: Final = f"{API}/uploads"
BOUNDARY: Final = "b0und"
FORM_TYPE: Final = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True)
class Scene:
    """An attacker with a token of its own, and a victim."""

    door: OpenDoor
    http: httpx.AsyncClient
    user: str
    victims_job: str
    victims_upload: str
    victims_source: str

    async def form(self, content: bytes, **headers: str) -> httpx.Response:
        return await self.http.post(PROCESS, content=content, headers=FORM_TYPE | headers)

    async def json(self, **changes: object) -> httpx.Response:
        return await self.http.post(JOBS, json=request(**changes))

    async def raw_json(self, content: bytes) -> httpx.Response:
        return await self.http.post(JOBS, content=content, headers={"Content-Type": "application/json"})

    async def without_token(self, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.door.address, headers=headers) as anybody:
            return await anybody.get(JOBS)

    async def with_cookie(self, **headers: str) -> httpx.Response:
        """A change that a browser sends, on whoever's page."""
        cookies = {"token": await self.door.token(self.user)}
        async with httpx.AsyncClient(base_url=self.door.address, cookies=cookies, headers=headers) as browser:
            return await browser.post(f"{JOBS}/{self.victims_job}/cancel")


def request(**changes: object) -> dict[str, object]:
    return {
        "video": "https://example.com/talk.mp4",
        "audio": [{"refId": f"audio-{i}", "source": f"https://example.com/{i}.wav"} for i in (1, 2)],
        "segments": SEGMENTS,
        "effects": EFFECTS,
    } | changes


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    file = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END: Final = f"--{BOUNDARY}--\r\n".encode()
Try = Callable[[Scene], Awaitable[httpx.Response]]
ROWS: list[Any] = []


def row(name: str, *statuses: int) -> Callable[[Try], Try]:
    """One attack, and the statuses that are right answers to it."""

    def add(attack: Try) -> Try:
        ROWS.append(pytest.param(attack, statuses, id=name))
        return attack

    return add


def rows(name: str, statuses: tuple[int, ...], attempts: dict[str, Try]) -> None:
    for what, attack in attempts.items():
        row(f"{name}: {what}", *statuses)(attack)


def get(path: str, **params: str) -> Try:
    return lambda scene: scene.http.get(path, params=params)
