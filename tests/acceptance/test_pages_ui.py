"""A video editor with a token and a browser: from files on a disk to the finished video, on the real stack."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cancellation import wait_until
from tests.integration.api.test_submit_page import draw_area
from tests.support.browsing import SCREEN_SIZES, signed_in_page
from videojobs.errors import UnknownJob
from videojobs.states import Status

pytestmark = pytest.mark.browser

MAX_WAIT_MS = 120_000  # milliseconds


@pytest.fixture(params=list(SCREEN_SIZES))
async def page(request: pytest.FixtureRequest, driver: StackDriver) -> AsyncIterator[Page]:
    """A page in both screen sizes."""
    address, token = driver.stack.address_of("api"), driver.stack.variables["VIDEOJOBS_TOKEN"]
    async with signed_in_page(address, token, **SCREEN_SIZES[request.param]) as page:
        await page.goto(f"{address}/submit")
        yield page


async def is_playable(video: Locator) -> None:
    """It has a picture, and plays when started."""
    await expect(video).to_have_js_property("error", None)
    await video.evaluate(
        "video => new Promise((done, fail) => {"
        " video.addEventListener('timeupdate', () => video.currentTime > 0.3 && done());"
        " setTimeout(() => fail(new Error(`stands at ${video.currentTime}`)), 15000);"
        " })"
    )


async def test_a_user_submits_a_job_and_downloads_its_video(driver: StackDriver, page: Page, tmp_path: Path) -> None:
    await page.set_input_files("#add-audio", [driver.sample.audio["audio-1"], driver.sample.audio["audio-2"]])
    await page.set_input_files("#video-file", driver.sample.video)
    await expect(page.locator("#audio-rows .entry")).to_have_count(2)
    for index, (start, end) in enumerate([("0", "2"), ("2.1", "3.5")]):
        await page.locator("#add-segment").click()
        row = page.locator("#segment-rows .entry").nth(index)
        await row.get_by_label("End (s)").fill(end)
        await row.get_by_label("Start (s)").fill(start)
    await draw_area(page, 0.3, 0.3, 0.4, 0.4)
    await page.get_by_label("From (s)").and_(page.locator("#area-rows input")).fill("4.1")
    await page.get_by_label("Until (s)").and_(page.locator("#area-rows input")).fill("8.3")
    await page.get_by_label("Name of the job").fill("From the submit page")
    await expect(page.get_by_text("Ready to send")).to_be_visible()
    await page.screenshot(path=tmp_path / "submit.png", full_page=True)
    async with page.expect_request("**/api/v1/uploads/*/complete"):
        await page.get_by_role("button", name="Send the job").click()

    await page.wait_for_url("**/jobs/*")
    await expect(page.locator("#status")).to_contain_text("In progress", timeout=MAX_WAIT_MS)
    await page.screenshot(path=tmp_path / "progress.png", full_page=True)
    await expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=MAX_WAIT_MS)

    await page.get_by_role("button", name="Play both").click()
    await is_playable(page.locator("#after"))
    await is_playable(page.locator("#before"))
    apart = await page.evaluate("Math.abs(before.currentTime - after.currentTime)")
    assert apart < 2, "both go on together; by how much lip-sync moves them apart, the pieces say"
    await page.screenshot(path=tmp_path / "finished.png", full_page=True)
    picture = page.locator("img.picture")
    await picture.scroll_into_view_if_needed()
    await picture.evaluate("image => image.decode()")
    assert await picture.evaluate("image => image.naturalWidth") > 1000

    job = await driver.repository.get_job(page.url.split("?")[0].rsplit("/", 1)[-1])
    link = await page.get_by_role("link", name="Download", exact=True).get_attribute("href")
    cookies = {"token": driver.stack.variables["VIDEOJOBS_TOKEN"]}
    async with httpx.AsyncClient(base_url=driver.stack.address_of("api"), cookies=cookies) as http:
        answer = await http.get(link or "", follow_redirects=True)
    result = tmp_path / "result.mp4"
    result.write_bytes(answer.raise_for_status().content)
    assert job.status == Status.COMPLETED
    assert [item["endTime"] for item in job.request["segments"]] == [2, 3.5]
    assert driver.measure_quality(job, result).failures() == []


async def is_claimed(driver: StackDriver, job_id: str) -> bool:
    with suppress(UnknownJob):
        return (await driver.repository.get_job(job_id)).status == Status.PROCESSING
    return False


async def test_the_list_follows_a_job_to_its_end_without_reload(
    driver: StackDriver, page: Page, tmp_path: Path
) -> None:
    await driver.update_vendor_settings("sync_so", processing_seconds=6)
    run = await driver.start_run(driver.make_small_request(areas=False) | {"display_name": "Seen from the list"})
    await wait_until(lambda: is_claimed(driver, str(run.id)))
    await page.goto(f"{driver.stack.address_of('api')}/jobs")
    row = page.locator(".job", has_text="Seen from the list").first
    await expect(row).to_contain_text("In progress")
    await page.evaluate("window.isTheSame = true")
    await page.screenshot(path=tmp_path / "list.png", full_page=True)
    await expect(row).to_contain_text("Finished", timeout=MAX_WAIT_MS)
    assert await page.evaluate("window.isTheSame"), "the page was not loaded again"
    await driver.update_vendor_settings("sync_so", processing_seconds=0.5)
