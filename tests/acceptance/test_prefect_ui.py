"""A person who does not know the code starts a job in the Prefect UI, in a real browser."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.acceptance.conftest import DEPLOYMENT, StackDriver
from videojobs.states import Status

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")  # Debian's; no package registry has Playwright's own builds
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AREA_FIELDS = {"Left edge": 0.3, "Top edge": 0.3, "Width": 0.4, "Height": 0.4, "From (s)": 4.1, "Until (s)": 8.3}


@pytest.fixture
async def page(driver: StackDriver) -> AsyncIterator[Page]:
    """A page that is signed in with the password that `make up` prints."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        context = await browser.new_context(viewport={"width": 1300, "height": 1400})
        page = await context.new_page()
        page.set_default_timeout(20_000)
        await page.goto(f"{driver.stack.ui_url}/login")
        await page.locator("input[type=password]").fill(driver.stack.variables["PREFECT_API_AUTH_STRING"])
        await page.get_by_role("button", name="Login").click()
        await expect(page.get_by_text("Work Pools", exact=True).first).to_be_visible()
        yield page
        await browser.close()


async def test_a_job_started_by_form_shows_its_result_in_prefect(
    driver: StackDriver, page: Page, tmp_path: Path
) -> None:
    deployment = await driver.prefect.read_deployment_by_name(DEPLOYMENT)
    await page.goto(f"{driver.stack.ui_url}/deployments/deployment/{deployment.id}/run")
    await expect(page.get_by_text("Start in the video (s)")).to_be_visible()

    texts, numbers = page.locator("textarea"), page.locator("input[type=number]")
    await texts.nth(0).fill(str(driver.sample.video))
    await texts.nth(2).fill(str(driver.sample.audio["audio-1"]))
    await page.get_by_role("button", name="Add item").nth(2).click()
    await expect(page.get_by_text("What to do here")).to_be_visible()
    for number, value in enumerate(AREA_FIELDS.values(), start=2):  # after the segment's two fields
        await numbers.nth(number).fill(str(value))
    await texts.nth(4).fill("From the browser")
    await page.screenshot(path=tmp_path / "form.png", full_page=True)
    await page.get_by_role("button", name="Submit").click()

    await page.get_by_text("From the browser", exact=True).first.click(timeout=60_000)  # the deployment lists its runs
    await page.wait_for_url("**/runs/flow-run/*")
    run_id = UUID(page.url.split("?")[0].rsplit("/", 1)[-1])
    job = await driver.wait_for_job(await driver.prefect.read_flow_run(run_id))
    await expect(page.get_by_text("Completed").first).to_be_visible()
    await page.screenshot(path=tmp_path / "run.png")
    await page.get_by_text("Artifacts", exact=True).click()
    await expect(page.get_by_text(job.progress_message).first).to_be_visible()
    await page.screenshot(path=tmp_path / "artifacts.png")

    assert (job.status, job.display_name) == (Status.COMPLETED, "From the browser")
    assert driver.measure_quality(job, await driver.download_result(job)).failures() == []
