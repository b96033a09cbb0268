"""How a person signs in and out, and what another site can do with that: nothing."""

import asyncio
import html
import re

import httpx
import pytest

from deployments.gateway.pages import session
from deployments.gateway.pages.session import own_path
from tests.gateway.conftest import OpenDoor
from tests.gateway.visitors import browser, opened_job


@pytest.mark.parametrize("path", ["/jobs", "/submit", "/jobs/some-job"])
async def test_who_is_not_signed_in_is_led_to_sign_in_and_then_to_where_he_wanted(door: OpenDoor, path: str) -> None:
    token = await door.token("ada")
    async with httpx.AsyncClient(base_url=door.address, headers={"Origin": door.address}) as http:
        refused = await http.get(path)
        assert refused.status_code == 303
        form = await http.get(refused.headers["Location"])
        assert 'name="token"' in form.text
        [wanted] = re.findall(r'name="next" value="([^"]*)"', form.text)
        entered = await http.post("/login", data={"token": f" {token}\n", "next": html.unescape(wanted)})
        assert (entered.status_code, entered.headers["Location"]) == (303, path)
        assert (await http.get("/jobs")).status_code == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(door: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=door.address, headers={"Origin": door.address}) as http:
        answer = await http.post("/login", data={"token": await door.token("ada")})
    attributes = answer.headers["Set-Cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert "secure" not in attributes, "this test speaks plain http, and the cookie has to come back"


async def test_a_token_that_is_none_is_asked_for_again_and_sets_no_cookie(door: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=door.address, headers={"Origin": door.address}) as http:
        answer = await http.post("/login", data={"token": "vj_" + "x" * 43})
    assert answer.status_code == 401
    assert "This token is not valid" in answer.text
    assert "Set-Cookie" not in answer.headers


async def test_signing_out_forgets_the_token(door: OpenDoor) -> None:
    async with await browser(door, "ada") as http:
        answer = await http.post("/logout")
        assert answer.headers["Location"] == "/login"
        assert 'token="";' in answer.headers["Set-Cookie"]
        http.cookies.clear()
        assert (await http.get("/jobs")).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.test/", "//evil.test/jobs", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "jobs", ""],
)
def test_signing_in_leads_to_no_other_site(wanted: str) -> None:
    assert own_path(wanted) == "/jobs"


def test_signing_in_leads_back_to_a_page_of_ours() -> None:
    assert own_path("/jobs?status=failed") == "/jobs?status=failed"


@pytest.mark.parametrize("origin", ["http://evil.test", "null", None])
@pytest.mark.parametrize("action", ["/login", "/logout", "/jobs/{job}/cancel", "/jobs/{job}/retry", "/submit/check"])
async def test_a_form_on_another_site_does_nothing_here(door: OpenDoor, action: str, origin: str | None) -> None:
    job = await opened_job(door)
    headers = {"Origin": origin} if origin else {}
    async with httpx.AsyncClient(base_url=door.address, cookies={"token": await door.token("ada")}) as http:
        answer = await http.post(action.format(job=job), headers=headers, data={"token": await door.token("eve")})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert job not in door.prefect.stopped


async def test_a_form_to_sign_in_that_does_not_come_holds_no_connection(
    door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_FORM_SECONDS", 0.1)
    host = door.address.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = f"POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {door.address}\r\nContent-Length: 10\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
