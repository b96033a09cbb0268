"""Signing in and out, and that another site cannot abuse either."""

import asyncio
import html
import re

import httpx
import pytest

from deployments.api.pages import session
from deployments.api.pages.session import safe_redirect_path
from tests.integration.api.conftest import ApiServer
from tests.support.browser_user import browser_client, create_job


@pytest.mark.parametrize("path", ["/jobs", "/submit", "/jobs/some-job"])
async def test_sign_in_returns_to_the_requested_page(api: ApiServer, path: str) -> None:
    token = await api.create_token("ada")
    async with httpx.AsyncClient(base_url=api.base_url, headers={"Origin": api.base_url}) as http:
        refused = await http.get(path)
        assert refused.status_code == 303
        form = await http.get(refused.headers["Location"])
        assert 'name="token"' in form.text
        [wanted] = re.findall(r'name="next" value="([^"]*)"', form.text)
        entered = await http.post("/login", data={"token": f" {token}\n", "next": html.unescape(wanted)})
        assert (entered.status_code, entered.headers["Location"]) == (303, path)
        assert (await http.get("/jobs")).status_code == 200


async def test_the_cookie_is_httponly_and_samesite(api: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=api.base_url, headers={"Origin": api.base_url}) as http:
        answer = await http.post("/login", data={"token": await api.create_token("ada")})
    attributes = answer.headers["Set-Cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert "secure" not in attributes, "this test speaks plain http, and the cookie has to come back"


async def test_an_invalid_token_sets_no_cookie(api: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=api.base_url, headers={"Origin": api.base_url}) as http:
        answer = await http.post("/login", data={"token": "vj_" + "x" * 43})
    assert answer.status_code == 401
    assert "This token is not valid" in answer.text
    assert "Set-Cookie" not in answer.headers


async def test_signing_out_deletes_the_cookie(api: ApiServer) -> None:
    async with await browser_client(api, "ada") as http:
        answer = await http.post("/logout")
        assert answer.headers["Location"] == "/login"
        assert 'token="";' in answer.headers["Set-Cookie"]
        http.cookies.clear()
        assert (await http.get("/jobs")).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.test/", "//evil.test/jobs", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "jobs", ""],
)
def test_sign_in_never_redirects_to_another_site(wanted: str) -> None:
    assert safe_redirect_path(wanted) == "/jobs"


def test_sign_in_redirects_to_an_own_page() -> None:
    assert safe_redirect_path("/jobs?status=failed") == "/jobs?status=failed"


@pytest.mark.parametrize("origin", ["http://evil.test", "null", None])
@pytest.mark.parametrize("action", ["/login", "/logout", "/jobs/{job}/cancel", "/jobs/{job}/retry", "/submit/check"])
async def test_a_cross_site_form_is_rejected(api: ApiServer, action: str, origin: str | None) -> None:
    job = await create_job(api)
    headers = {"Origin": origin} if origin else {}
    async with httpx.AsyncClient(base_url=api.base_url, cookies={"token": await api.create_token("ada")}) as http:
        answer = await http.post(action.format(job=job), headers=headers, data={"token": await api.create_token("eve")})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert job not in api.prefect.stopped


async def test_a_stalling_sign_in_form_is_disconnected(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_FORM_SECONDS", 0.1)
    host = api.base_url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = f"POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {api.base_url}\r\nContent-Length: 10\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
