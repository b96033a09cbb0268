"""The webhook pages: an endpoint from its creation to its deletion, by its owner only."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.integration.api.conftest import ApiServer
from tests.support.browser_user import HOSTILE_NAME, browser_client, page_text
from tests.support.webhook_receiver import WebhookReceiver, run_webhook_receiver
from videojobs.db.tokens import Scope

PUBLIC_URL = "https://hooks.example.com/videojobs"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with run_webhook_receiver() as running:
        yield running


@pytest.fixture
async def browser(api: ApiServer, user: str) -> AsyncIterator[httpx.AsyncClient]:
    async with await browser_client(api, user) as client:
        yield client


async def create_endpoint(browser: httpx.AsyncClient, url: str = PUBLIC_URL, **fields: str) -> tuple[str, str]:
    """The path of its page, and its secret."""
    answer = await browser.post("/webhooks", data={"url": url, "events": ["job.completed", "job.failed"], **fields})
    assert answer.status_code == 200, answer.text
    [secret] = SECRET.findall(html.unescape(answer.text))
    [path] = re.findall(r'action="(/webhooks/[0-9a-f-]{36})/test"', answer.text)
    return path, secret


async def test_a_user_finds_the_page_in_the_navigation(browser: httpx.AsyncClient) -> None:
    assert 'href="/webhooks"' in (await browser.get("/jobs")).text
    assert "An endpoint is an address of yours" in await page_text(browser, "/webhooks")


async def test_the_secret_is_shown_after_the_creation_only(browser: httpx.AsyncClient) -> None:
    path, secret = await create_endpoint(browser, description="Orders")
    shown = await browser.get(path)
    assert secret not in shown.text
    assert SECRET.search(shown.text) is None
    listed = await page_text(browser, "/webhooks")
    assert "Orders" in listed
    assert "job.completed, job.failed" in listed


async def test_a_rotated_secret_is_shown_once(browser: httpx.AsyncClient) -> None:
    path, secret = await create_endpoint(browser)
    [rotated] = SECRET.findall(html.unescape((await browser.post(f"{path}/rotate-secret")).text))
    assert rotated != secret
    assert "Old secret until" in await page_text(browser, path)
    [callback] = SECRET.findall(html.unescape((await browser.post("/webhooks/callback-secret")).text))
    assert callback not in (await browser.get("/webhooks")).text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "http://10.0.0.1/", "events": "job.failed"}, "url: must begin with https://"),
        ({"url": PUBLIC_URL}, "events:"),
        ({"url": PUBLIC_URL, "events": "job.exploded"}, "events:"),
    ],
)
async def test_a_bad_endpoint_is_shown_again_with_its_problem(
    browser: httpx.AsyncClient, fields: dict[str, str], problem: str
) -> None:
    answer = await browser.post("/webhooks", data=fields)
    assert answer.status_code == 422
    assert problem in answer.text
    assert f'value="{fields["url"]}"' in answer.text


async def test_a_test_is_sent_and_its_tries_are_shown(
    browser: httpx.AsyncClient, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PLAIN_HTTP", "true")
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PRIVATE_INPUTS", "true")
    monkeypatch.setenv("VIDEOJOBS_WEBHOOK_RETRY_DELAYS_SECONDS", "0.05")
    path, _ = await create_endpoint(browser, f"{receiver.url}/status/500/{user}")
    sent = await browser.post(f"{path}/test")
    assert sent.status_code == 303
    delivery = sent.headers["location"]
    async with asyncio.timeout(20):
        while "Failed" not in (text := await page_text(browser, delivery)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert "it answered 500" in text
    assert "status of the path" in text
    assert "webhook.test" in await page_text(browser, path)
    assert (await browser.post(f"{delivery}/replay")).headers["location"] == delivery
    assert (await browser.post(f"{path}/replay-failed")).headers["location"] == path


async def test_a_disabled_endpoint_says_why_and_is_enabled(browser: httpx.AsyncClient) -> None:
    path, _ = await create_endpoint(browser)
    await browser.post(f"{path}/disable")
    assert "You disabled it. Nothing is sent." in await page_text(browser, path)
    assert "Enable it first" in (await browser.post(f"{path}/test")).text
    await browser.post(f"{path}/enable")
    assert "You disabled it" not in await page_text(browser, path)
    assert (await browser.post(f"{path}/delete")).headers["location"] == "/webhooks"
    await page_text(browser, path, status=404)


async def test_other_users_do_not_find_an_endpoint(api: ApiServer, browser: httpx.AsyncClient) -> None:
    path, _ = await create_endpoint(browser)
    async with await browser_client(api, "webhook-stranger") as other:
        await page_text(other, path, status=404)
        for action in ("test", "rotate-secret", "disable", "enable", "delete", "replay-failed"):
            assert (await other.post(f"{path}/{action}")).status_code == 404
        await page_text(other, "/webhooks/not-an-id", status=404)
        await page_text(other, "/webhooks/deliveries/msg_0", status=404)
    assert "Send a test" in await page_text(browser, path)


async def test_another_site_cannot_create_an_endpoint(browser: httpx.AsyncClient) -> None:
    fields = {"url": PUBLIC_URL, "events": "job.failed"}
    forged = await browser.post("/webhooks", data=fields, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    assert "hooks.example.com" not in await page_text(browser, "/webhooks")


async def test_a_reader_sees_no_buttons(api: ApiServer, browser: httpx.AsyncClient, user: str) -> None:
    path, _ = await create_endpoint(browser)
    async with await browser_client(api, user, Scope.READ) as reader:
        for page in ("/webhooks", path):
            shown = await reader.get(page)
            assert "<button" not in shown.text.replace('<button class="link">Sign out', "")


async def test_a_hostile_description_is_escaped(browser: httpx.AsyncClient) -> None:
    path, _ = await create_endpoint(browser, description=HOSTILE_NAME)
    for page in ("/webhooks", path):
        assert "<script>alert" not in (await browser.get(page)).text
