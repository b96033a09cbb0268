"""Describes an attack on the API: a table row, run in an attack context."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.integration.api.conftest import ApiServer
from tests.support.multipart_forms import EFFECTS, PROCESS_URL, SEGMENTS

API: Final = "/api/v1"
JOBS_URL: Final = f"{API}/jobs"
UPLOADS_URL: Final = f"{API}/uploads"
BOUNDARY: Final = "b0und"
FORM_TYPE: Final = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True)
class AttackContext:
    """An attacker with their own token, and a victim."""

    api: ApiServer
    http: httpx.AsyncClient
    user: str
    victim_job: str
    victim_upload: str
    victim_source: str

    async def post_form(self, content: bytes, **headers: str) -> httpx.Response:
        return await self.http.post(PROCESS_URL, content=content, headers=FORM_TYPE | headers)

    async def post_json(self, **changes: object) -> httpx.Response:
        return await self.http.post(JOBS_URL, json=make_request(**changes))

    async def post_raw_json(self, content: bytes) -> httpx.Response:
        return await self.http.post(JOBS_URL, content=content, headers={"Content-Type": "application/json"})

    async def get_without_token(self, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.api.base_url, headers=headers) as anybody:
            return await anybody.get(JOBS_URL)

    async def open_link(self, token: str) -> httpx.Response:
        """Open a link to a result, without any other token."""
        async with httpx.AsyncClient(base_url=self.api.base_url) as anybody:
            return await anybody.get(f"/d/{token}")

    async def post_with_cookie(self, **headers: str) -> httpx.Response:
        """A state-changing request that a browser sends with the cookie, from a page of any site."""
        cookies = {"token": await self.api.create_token(self.user)}
        async with httpx.AsyncClient(base_url=self.api.base_url, cookies=cookies, headers=headers) as browser:
            return await browser.post(f"{JOBS_URL}/{self.victim_job}/cancel")


def make_request(**changes: object) -> dict[str, object]:
    return {
        "video": "https://example.com/talk.mp4",
        "audio": [{"refId": f"audio-{i}", "source": f"https://example.com/{i}.wav"} for i in (1, 2)],
        "segments": SEGMENTS,
        "effects": EFFECTS,
    } | changes


def form_part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    file = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


FORM_END: Final = f"--{BOUNDARY}--\r\n".encode()
Attack = Callable[[AttackContext], Awaitable[httpx.Response]]
ATTACKS: list[Any] = []


def attack_case(name: str, *statuses: int) -> Callable[[Attack], Attack]:
    """Register one attack and the statuses that are correct responses to it."""

    def add(attack: Attack) -> Attack:
        ATTACKS.append(pytest.param(attack, statuses, id=name))
        return attack

    return add


def attack_cases(name: str, statuses: tuple[int, ...], attempts: dict[str, Attack]) -> None:
    for what, attack in attempts.items():
        attack_case(f"{name}: {what}", *statuses)(attack)


def get_with_params(path: str, **params: str) -> Attack:
    return lambda scene: scene.http.get(path, params=params)
