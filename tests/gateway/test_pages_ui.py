"""The pages in a real browser: without JavaScript, with the keyboard only, and on the screen of a phone."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.gateway.browsing import SIZES, signed_in
from tests.gateway.conftest import OpenDoor
from tests.gateway.visitors import FACTS, HOSTILE, opened_job, taken_up
from videojobs.ledger.tokens import Scope
from videojobs.states import Point

pytestmark = pytest.mark.browser

LONG = "a_name_without_any_space_" * 7


@pytest.fixture
async def plain(door: OpenDoor) -> AsyncIterator[Page]:
    """A browser without JavaScript, in which nobody is signed in."""
    async with signed_in(door.address, "none", java_script_enabled=False) as page:
        await page.context.clear_cookies()
        yield page


async def test_without_javascript_one_signs_in_looks_and_cancels(door: OpenDoor, user: str, plain: Page) -> None:
    await opened_job(door, user, name="No script")
    await plain.goto(f"{door.address}/jobs")
    await plain.get_by_label("Token").fill(await door.token(user))
    await plain.keyboard.press("Enter")
    await plain.get_by_role("link", name="No script").click()
    assert "Reload this page" in await plain.content()  # chromium hides <noscript> where scripts are off by a setting
    await plain.get_by_role("button", name="Cancel").click()
    await expect(plain.get_by_text("nothing was paid for")).to_be_visible()
    await plain.get_by_role("link", name="New job").click()
    await expect(plain.get_by_role("heading", name="New job")).to_be_visible()
    assert "needs JavaScript" in await plain.content()
    await plain.get_by_role("button", name="Sign out").click()
    await expect(plain.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_is_wider_than_its_screen_whatever_a_job_is_called(
    door: OpenDoor, user: str, size: str, scheme: str, tmp_path: Path
) -> None:
    job = await opened_job(door, user, name=LONG)
    parked = await opened_job(door, user, name=HOSTILE)
    await door.ledger.park(await taken_up(door, parked), f"nobody knows what became of {LONG}")
    async with signed_in(door.address, await door.token(user, Scope.ADMIN), color_scheme=scheme, **SIZES[size]) as page:
        for path in ("/login", "/jobs", f"/jobs/{job}", f"/jobs/{parked}", "/submit"):
            await page.goto(door.address + path)
            await page.screenshot(path=tmp_path / f"{path.strip('/').replace('/', '-')}.png", full_page=True)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_a_job_is_opened_from_the_list_with_the_keyboard_alone(door: OpenDoor, user: str) -> None:
    await opened_job(door, user, name="By keyboard")
    async with signed_in(door.address, await door.token(user)) as page:
        await page.goto(f"{door.address}/jobs")
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
async def test_progress_shows_up_while_one_looks_and_the_end_of_the_job_too(door: OpenDoor, user: str, of: str) -> None:
    job = await opened_job(door, user, name="Watched")
    door.store.put_bytes("video.mp4", b"no video, but there", "video/mp4")
    async with signed_in(door.address, await door.token(user)) as page:
        await page.goto(f"{door.address}/jobs" + (f"/{job}" if of == "job" else ""))
        await expect(page.get_by_text("Waiting", exact=True).last).to_be_visible()
        lease = await taken_up(door, job)
        await door.ledger.advance(lease, Point.UPLOADED, facts=FACTS)
        await expect(page.get_by_text("In progress", exact=True).last).to_be_visible()
        await door.ledger.tell(lease, 34, "Lip-sync processing...")
        await expect(page.get_by_role("progressbar")).to_have_js_property("value", 34)
        await door.ledger.fail(lease, f"It broke ({uuid.uuid4()}).")
        await expect(page.get_by_text("Failed", exact=True).last).to_be_visible()
        await expect(page.get_by_text("It broke").first).to_be_visible()
