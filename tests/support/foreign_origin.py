"""A page of another origin in a real browser: it calls the API by script, as an editor on another host does."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from playwright.async_api import Page, async_playwright

from tests.support.browsing import CHROMIUM, CHROMIUM_FLAGS

_PAGE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Editor</h1>"
_FETCH_SCRIPT: Final = """async ([url, token, texts, files]) => {
    const options = {headers: {Authorization: `Bearer ${token}`}, credentials: 'include'};
    if (files.length) {
        options.method = 'POST';
        options.body = new FormData();
        for (const [field, name, bytes] of files) options.body.append(field, new File([new Uint8Array(bytes)], name));
        for (const [field, text] of Object.entries(texts)) options.body.append(field, text);
    }
    try {
        const answer = await fetch(url, options);
        return JSON.stringify({status: answer.status, body: await answer.json()});
    } catch (error) { return JSON.stringify({blocked: error.name}); }
}"""


@asynccontextmanager
async def serve_editor_page() -> AsyncIterator[str]:
    """The origin of a web server with one empty page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_PAGE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    """A page of a browser without cookies. What the browser blocks is no error here."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = await browser.new_page()
        page.set_default_timeout(20_000)
        yield page
        await browser.close()


async def fetch_from_page(
    page: Page,
    url: str,
    token: str,
    *,
    texts: Mapping[str, str] | None = None,
    files: list[tuple[str, tuple[str, bytes]]] | None = None,
) -> dict[str, Any]:
    """`status` and `body` of the answer, or `blocked` if the browser does not let the page read it.

    With `files`, a form is posted.
    """
    parts = [[field, name, list(content)] for field, (name, content) in files or []]
    answer: dict[str, Any] = json.loads(await page.evaluate(_FETCH_SCRIPT, [url, token, dict(texts or {}), parts]))
    return answer


async def download_from_new_window(page: Page, url: str) -> tuple[str, bytes]:
    """Open the URL in a new window, as the old jobs page does. The name and the content of the file that is saved."""
    async with page.expect_download() as started:  # reported by the page that opened the window
        await page.evaluate("url => { window.open(url) }", url)
    download = await started.value
    return download.suggested_filename, await asyncio.to_thread((await download.path()).read_bytes)
