"""Fixtures that run a real browser against the API's pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import ConsoleMessage, Page, async_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")  # Debian's; no package registry has Playwright's own builds
CHROMIUM_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
SCREEN_SIZES: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@asynccontextmanager
async def signed_in_page(address: str, token: str, **screen: Any) -> AsyncIterator[Page]:
    """A browser page with the session cookie. Errors in the page's console fail the test."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        context = await browser.new_context(**screen)
        await context.add_cookies([{"name": "token", "value": token, "url": address}])
        page = await context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda note: complaints.append(note.text) if _is_page_error(note, address) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        await browser.close()
    assert complaints == [], complaints


def _is_page_error(note: ConsoleMessage, address: str) -> bool:
    """Ignore failed responses of other servers: a test may cause them on purpose."""
    elsewhere = note.text.startswith("Failed to load resource") and not note.location["url"].startswith(address)
    return note.type == "error" and not elsewhere
