"""A foreign page in the browser of a signed-in user can neither read nor change anything."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.async_api import Page
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

from tests.acceptance.conftest import DEPLOYMENT, StackDriver
from tests.acceptance.test_prefect_ui import page

__all__ = ["page"]

pytestmark = pytest.mark.browser

FETCH_SCRIPT = """async ([url, method, body, mode]) => {
    let failure;
    for (const credentials of ['include', 'omit']) {
        const options = {method, mode, credentials};
        if (body) options.body = new Blob([body]);  // without a type: the browser does not ask the server first
        try {
            const answer = await fetch(url, options);
            return mode == 'no-cors' ? 'sent' : await answer.text();
        } catch (error) { failure = error.name; }
    }
    return failure;
}"""
BLOCKED_ERROR = "TypeError"  # what a browser raises when a page may not read a response


@dataclass
class ForeignPage:
    """A page of another program on this machine, in the browser of a user who is signed in to Prefect."""

    page: Page

    async def read_response(self, url: str, method: str = "GET", body: str = "") -> str:
        return str(await self.page.evaluate(FETCH_SCRIPT, [url, method, body, "cors"]))

    async def send_request(self, url: str, body: str) -> None:
        """A browser sends the request even if the page may not read the response."""
        assert await self.page.evaluate(FETCH_SCRIPT, [url, "POST", body, "no-cors"]) == "sent"


@pytest.fixture
async def foreign_page(page: Page) -> AsyncIterator[ForeignPage]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Win a prize</h1>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as website:
        other = await page.context.new_page()
        await other.goto(f"http://127.0.0.1:{website.sockets[0].getsockname()[1]}/")
        yield ForeignPage(other)
        await other.close()


async def test_a_foreign_page_cannot_read_prefect_credentials(driver: StackDriver, foreign_page: ForeignPage) -> None:
    api = driver.stack.variables["PREFECT_API_URL"]
    secrets = f"{api}/block_documents/filter"
    assert await foreign_page.read_response(secrets, "POST", '{"include_secrets": true}') == BLOCKED_ERROR
    for path in ("/admin/version", "/admin/settings", f"/deployments/name/{DEPLOYMENT}"):
        assert await foreign_page.read_response(api + path) == BLOCKED_ERROR


async def test_a_foreign_page_cannot_start_a_job(driver: StackDriver, foreign_page: ForeignPage) -> None:
    deployment = await driver.prefect.read_deployment_by_name(DEPLOYMENT)
    url = f"{driver.stack.variables['PREFECT_API_URL']}/deployments/{deployment.id}/create_flow_run"
    await foreign_page.send_request(
        url, json.dumps({"name": "paid-by-the-user", "parameters": driver.make_small_request()})
    )
    runs = FlowRunFilter(name=FlowRunFilterName(any_=["paid-by-the-user"]))
    assert await driver.prefect.read_flow_runs(flow_run_filter=runs) == []


async def test_a_foreign_page_cannot_read_other_services(driver: StackDriver, foreign_page: ForeignPage) -> None:
    for vendor in ("sync_so", "ghostcut"):
        assert await foreign_page.read_response(f"{driver.stack.address_of(vendor)}/_emulator/records") == BLOCKED_ERROR
    door = driver.stack.address_of("api")
    for path in ("/api/v1/jobs", "/metrics", "/readyz"):
        assert await foreign_page.read_response(door + path) == BLOCKED_ERROR
    store = f"{driver.stack.variables['S3_ENDPOINT_URL']}/{driver.stack.variables['S3_BUCKET']}"
    listed = await foreign_page.read_response(f"{store}?list-type=2")
    assert "<Error>" in listed
    assert "<Key>" not in listed


async def test_a_foreign_page_cannot_inject_faults(driver: StackDriver, foreign_page: ForeignPage) -> None:
    for vendor in ("sync_so", "ghostcut"):
        address = driver.stack.address_of(vendor)
        await foreign_page.send_request(f"{address}/_emulator/faults", '{"kind": "reset", "match": "no such job"}')
        async with httpx.AsyncClient(base_url=address) as http:
            armed: list[dict[str, Any]] = (await http.get("/_emulator/faults")).json()
        assert [fault for fault in armed if fault["match"] == "no such job"] == []
