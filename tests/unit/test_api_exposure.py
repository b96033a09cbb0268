"""What the doctor says about a Prefect server that lets in others than those who should be."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from prefect import __version__ as prefect_version
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLOUD_API_URL,
    temporary_settings,
)

from blocks import Connections
from deployments.api_exposure import travels_in_clear
from deployments.doctor import Caution, Trouble, access, server

LOGIN = "somebody:secret"
BASIC = "Basic c29tZWJvZHk6c2VjcmV0"


@contextmanager
def prefect_api(*, asks: bool, allows: str | None, otherwise: int, kind: str) -> Iterator[str]:
    """A server that gives its version: it `asks` for the login, and `allows` an origin to read what it answers.

    `otherwise` and `kind` are how it answers those without the login.
    """

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_let_in = not asks or self.headers.get("Authorization") == BASIC
            origin = self.headers.get("Origin")
            self.send_response(200 if is_let_in else otherwise)
            self.send_header("Content-Type", "application/json" if is_let_in else kind)
            if allows and origin:
                self.send_header("Access-Control-Allow-Origin", origin if allows == "echo" else allows)
            self.end_headers()
            self.wfile.write(f'"{prefect_version}"'.encode() if is_let_in else b"no")

        def do_POST(self) -> None:
            """Prefect Cloud, asked for its work pools."""
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Nothing on the screen of a test."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as http:
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/api"
        finally:
            http.shutdown()


@contextmanager
def configured(
    *, asks: bool = True, allows: str | None = None, otherwise: int = 401, kind: str = "application/json"
) -> Iterator[str]:
    """Such a server as the one that is configured, with the right login."""
    with prefect_api(asks=asks, allows=allows, otherwise=otherwise, kind=kind) as address:
        login = {PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: LOGIN}
        with temporary_settings(login, restore_defaults={PREFECT_API_KEY}):
            yield address


async def said(check: Callable[[Connections], Awaitable[str]]) -> str:
    """What the doctor finds wrong."""
    with pytest.raises(Trouble) as trouble:
        await check(Connections())
    return str(trouble.value)


async def test_a_server_with_a_password_and_narrow_cors_is_in_order() -> None:
    with configured(allows="https://prefect.example.com"):
        found = await access(Connections())
        assert not isinstance(found, Caution)
        assert prefect_version in await server(Connections())


async def test_a_server_without_a_password_is_in_trouble_whatever_the_client_sends() -> None:
    with configured(asks=False):
        trouble = await said(access)
        assert "PREFECT_SERVER_API_AUTH_STRING=user:password" in trouble
        assert "CORS" not in trouble


@pytest.mark.parametrize("allows", ["*", "echo"])
async def test_a_server_that_lets_every_page_read_is_in_trouble_with_a_password_too(allows: str) -> None:
    with configured(allows=allows):
        trouble = await said(access)
        assert "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS" in trouble
        assert "PREFECT_SERVER_API_AUTH_STRING" not in trouble


async def test_a_server_as_prefect_starts_it_by_default_gets_both_sentences() -> None:
    with configured(asks=False, allows="*"):
        trouble = await said(access)
        assert "PREFECT_SERVER_API_AUTH_STRING" in trouble
        assert "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS" in trouble


async def test_a_login_page_before_the_server_lets_nobody_in() -> None:
    with configured(otherwise=200, kind="text/html; charset=utf-8"):
        assert "password" in await access(Connections())


async def test_a_server_that_breaks_without_a_password_is_not_believed_to_refuse() -> None:
    with configured(otherwise=500):
        assert "500" in await said(access)


async def test_a_client_without_the_password_is_told_which_setting_it_lacks() -> None:
    with configured(), temporary_settings(restore_defaults={PREFECT_API_AUTH_STRING}):
        assert "does not let us in (401): set PREFECT_API_AUTH_STRING" in await said(server)


async def test_prefect_cloud_has_keys_of_its_own() -> None:
    with (
        configured(asks=False, allows="*") as address,
        temporary_settings({PREFECT_CLOUD_API_URL: address, PREFECT_API_KEY: "pnu_key"}),
    ):
        assert "Prefect Cloud" in await server(Connections())
        assert "Prefect Cloud" in await access(Connections())


@pytest.mark.parametrize(
    ("address", "in_clear"),
    [
        ("http://prefect.example.com/api", True),
        ("http://10.0.0.7:4200/api", True),
        ("https://prefect.example.com/api", False),
        ("http://127.0.0.1:4200/api", False),
        ("http://localhost:4200/api", False),
        ("http://[::1]:4200/api", False),
    ],
)
def test_a_password_to_another_machine_without_tls_travels_in_clear_text(address: str, in_clear: bool) -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: LOGIN}):
        assert travels_in_clear(address) is in_clear


async def test_a_password_in_clear_text_is_a_caution_and_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    with configured():
        monkeypatch.setattr("deployments.api_exposure._is_this_machine", lambda _host: False)
        found = await access(Connections())
        assert isinstance(found, Caution)
        assert "clear text" in found
