"""An operator reads a clean-up's report, in a real browser."""

from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cleanup import run_cleanup
from tests.acceptance.test_prefect_ui import page
from tests.support.stuck_jobs import STUCK_JOB_CASES, make_stuck_job

__all__ = ["page"]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("in_process_flows", "no_scheduled_cleanup")]


async def test_the_report_table_fits_the_screen_and_links_the_run(
    driver: StackDriver, page: Page, tmp_path: Path
) -> None:
    jobs = {name: str(uuid4()) for name in ("never taken up", "the death of its runs", "parked")}
    for name, job_id in jobs.items():
        await make_stuck_job(driver, STUCK_JOB_CASES[name], job_id, tmp_path)
    await run_cleanup(driver, dry_run=False)
    await page.set_viewport_size({"width": 1500, "height": 1000})
    await page.goto(f"{driver.stack.ui_url}/artifacts/key/cleanup")
    await page.locator("a[href*='/artifacts/artifact/']").first.click()
    for job_id in jobs.values():
        await expect(page.get_by_text(job_id)).to_be_visible()
    await page.screenshot(path=tmp_path / "report.png", full_page=True)
    hidden = "e => e.querySelector('table').scrollWidth - e.clientWidth"
    assert await page.locator(".p-table").evaluate(hidden) <= 0
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="run started").first.click()
    run = await opened.value
    await expect(run.get_by_text("pro-video").first).to_be_visible(timeout=20_000)  # the whole UI loads a second time
