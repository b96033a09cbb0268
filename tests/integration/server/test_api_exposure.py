"""The doctor's findings about a Prefect server that is too widely accessible."""

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
from deployments.server.api_exposure import sends_cleartext_credentials
from deployments.server.doctor import CheckFailed, CheckWarning, check_api_access, check_prefect_server

LOGIN = "somebody:secret"
BASIC_HEADER = "Basic c29tZWJvZHk6c2VjcmV0"


@contextmanager
def serve_prefect_api(
    *, requires_login: bool, allowed_origin: str | None, denied_status: int, denied_content_type: str
) -> Iterator[str]:
    """A server that reports its version. `requires_login` protects it, and `allowed_origin` is an origin that may read
    responses.

    `denied_status` and `denied_content_type` are those of its responses without the login.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_let_in = not requires_login or self.headers.get("Authorization") == BASIC_HEADER
            origin = self.headers.get("Origin")
            self.send_response(200 if is_let_in else denied_status)
            self.send_header("Content-Type", "application/json" if is_let_in else denied_content_type)
            if allowed_origin and origin:
                self.send_header("Access-Control-Allow-Origin", origin if allowed_origin == "echo" else allowed_origin)
            self.end_headers()
            self.wfile.write(f'"{prefect_version}"'.encode() if is_let_in else b"no")

        def do_POST(self) -> None:
            """Like Prefect Cloud's list of work pools."""
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Keeps the test's output free of logs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/api"
        finally:
            http.shutdown()


@contextmanager
def configured_prefect_api(
    *,
    requires_login: bool = True,
    allowed_origin: str | None = None,
    denied_status: int = 401,
    denied_content_type: str = "application/json",
) -> Iterator[str]:
    """Such a server with the right login, as the configured one."""
    with serve_prefect_api(
        requires_login=requires_login,
        allowed_origin=allowed_origin,
        denied_status=denied_status,
        denied_content_type=denied_content_type,
    ) as address:
        login = {PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: LOGIN}
        with temporary_settings(login, restore_defaults={PREFECT_API_KEY}):
            yield address


async def failure_text(check: Callable[[Connections], Awaitable[str]]) -> str:
    """The problems that the doctor reports."""
    with pytest.raises(CheckFailed) as trouble:
        await check(Connections())
    return str(trouble.value)


async def test_a_server_with_a_password_and_narrow_cors_is_in_order() -> None:
    with configured_prefect_api(allowed_origin="https://prefect.example.com"):
        found = await check_api_access(Connections())
        assert not isinstance(found, CheckWarning)
        assert prefect_version in await check_prefect_server(Connections())


async def test_a_server_without_a_password_fails_the_check() -> None:
    with configured_prefect_api(requires_login=False):
        trouble = await failure_text(check_api_access)
        assert "PREFECT_SERVER_API_AUTH_STRING=user:password" in trouble
        assert "CORS" not in trouble


@pytest.mark.parametrize("allowed_origin", ["*", "echo"])
async def test_open_cors_fails_the_check_despite_a_password(allowed_origin: str) -> None:
    with configured_prefect_api(allowed_origin=allowed_origin):
        trouble = await failure_text(check_api_access)
        assert "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS" in trouble
        assert "PREFECT_SERVER_API_AUTH_STRING" not in trouble


async def test_a_default_prefect_server_gets_both_warnings() -> None:
    with configured_prefect_api(requires_login=False, allowed_origin="*"):
        trouble = await failure_text(check_api_access)
        assert "PREFECT_SERVER_API_AUTH_STRING" in trouble
        assert "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS" in trouble


async def test_a_login_page_counts_as_protection() -> None:
    with configured_prefect_api(denied_status=200, denied_content_type="text/html; charset=utf-8"):
        assert "password" in await check_api_access(Connections())


async def test_a_server_error_without_a_password_is_not_a_refusal() -> None:
    with configured_prefect_api(denied_status=500):
        assert "500" in await failure_text(check_api_access)


async def test_a_missing_client_password_names_the_setting() -> None:
    with configured_prefect_api(), temporary_settings(restore_defaults={PREFECT_API_AUTH_STRING}):
        assert "rejects our credentials (401): set PREFECT_API_AUTH_STRING" in await failure_text(check_prefect_server)


async def test_prefect_cloud_has_keys_of_its_own() -> None:
    with (
        configured_prefect_api(requires_login=False, allowed_origin="*") as address,
        temporary_settings({PREFECT_CLOUD_API_URL: address, PREFECT_API_KEY: "pnu_key"}),
    ):
        assert "Prefect Cloud" in await check_prefect_server(Connections())
        assert "Prefect Cloud" in await check_api_access(Connections())


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
def test_a_password_sent_without_tls_is_in_clear_text(address: str, in_clear: bool) -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: LOGIN}):
        assert sends_cleartext_credentials(address) is in_clear


async def test_a_password_in_clear_text_is_only_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with configured_prefect_api():
        monkeypatch.setattr("deployments.server.api_exposure._is_localhost", lambda _host: False)
        found = await check_api_access(Connections())
        assert isinstance(found, CheckWarning)
        assert "unencrypted" in found
