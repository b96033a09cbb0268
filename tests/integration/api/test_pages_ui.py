"""The pages in a real browser: without JavaScript, with the keyboard only, and on a phone's screen."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.integration.api.conftest import ApiServer
from tests.support.browser_user import FACTS, HOSTILE_NAME, create_job, lease_job
from tests.support.browsing import SCREEN_SIZES, signed_in_page
from videojobs.db.tokens import Scope
from videojobs.states import RecoveryPoint

pytestmark = pytest.mark.browser

LONG_NAME = "a_name_without_any_space_" * 7


@pytest.fixture
async def page_without_javascript(api: ApiServer) -> AsyncIterator[Page]:
    """A signed-out browser without JavaScript."""
    async with signed_in_page(api.base_url, "none", java_script_enabled=False) as page:
        await page.context.clear_cookies()
        yield page


async def test_signing_in_and_cancelling_work_without_javascript(
    api: ApiServer, user: str, page_without_javascript: Page
) -> None:
    await create_job(api, user, name="No script")
    await page_without_javascript.goto(f"{api.base_url}/jobs")
    await page_without_javascript.get_by_label("Token").fill(await api.create_token(user))
    await page_without_javascript.keyboard.press("Enter")
    await page_without_javascript.get_by_role("link", name="No script").click()
    assert (
        "Reload this page" in await page_without_javascript.content()
    )  # chromium hides <noscript> if a setting disables scripts
    await page_without_javascript.get_by_role("button", name="Cancel").click()
    await expect(page_without_javascript.get_by_text("nothing was paid for")).to_be_visible()
    await page_without_javascript.get_by_role("link", name="New job").click()
    await expect(page_without_javascript.get_by_role("heading", name="New job")).to_be_visible()
    assert "needs JavaScript" in await page_without_javascript.content()
    await page_without_javascript.get_by_role("button", name="Sign out").click()
    await expect(page_without_javascript.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize("size", SCREEN_SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_overflows_its_screen_with_a_long_name(
    api: ApiServer, user: str, size: str, scheme: str, tmp_path: Path
) -> None:
    job = await create_job(api, user, name=LONG_NAME)
    parked = await create_job(api, user, name=HOSTILE_NAME)
    await api.repository.park(await lease_job(api, parked), f"nobody knows what became of {LONG_NAME}")
    async with signed_in_page(
        api.base_url, await api.create_token(user, Scope.ADMIN), color_scheme=scheme, **SCREEN_SIZES[size]
    ) as page:
        for path in ("/login", "/jobs", f"/jobs/{job}", f"/jobs/{parked}", "/submit"):
            await page.goto(api.base_url + path)
            await page.screenshot(path=tmp_path / f"{path.strip('/').replace('/', '-')}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_a_job_can_be_opened_with_the_keyboard_alone(api: ApiServer, user: str) -> None:
    await create_job(api, user, name="By keyboard")
    async with signed_in_page(api.base_url, await api.create_token(user)) as page:
        await page.goto(f"{api.base_url}/jobs")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.get_by_role("link", name="By keyboard").evaluate("link => link === document.activeElement"):
                break
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "one sees where one is"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="By keyboard")).to_be_visible()


@pytest.mark.parametrize("of", ["list", "job"])
async def test_an_open_page_shows_progress_and_the_end(api: ApiServer, user: str, of: str) -> None:
    job = await create_job(api, user, name="Watched")
    api.store.put_bytes("video.mp4", b"no video, but there", "video/mp4")
    async with signed_in_page(api.base_url, await api.create_token(user)) as page:
        await page.goto(f"{api.base_url}/jobs" + (f"/{job}" if of == "job" else ""))
        await expect(page.get_by_text("Waiting", exact=True).last).to_be_visible()
        lease = await lease_job(api, job)
        await api.repository.advance(lease, RecoveryPoint.UPLOADED, facts=FACTS)
        await expect(page.get_by_text("In progress", exact=True).last).to_be_visible()
        await api.repository.update_progress(lease, 34, "Lip-sync processing...")
        await expect(page.get_by_role("progressbar")).to_have_js_property("value", 34)
        await api.repository.fail(lease, f"It broke ({uuid.uuid4()}).")
        await expect(page.get_by_text("Failed", exact=True).last).to_be_visible()
        await expect(page.get_by_text("It broke").first).to_be_visible()
