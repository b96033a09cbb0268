"""The submit page in a real browser: it sends exactly what was drawn, dragged and typed."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from deployments.local.sample import write_clip
from tests.integration.api.conftest import ApiServer
from tests.support.browsing import SCREEN_SIZES, signed_in_page
from tests.support.short_clip import FRAME_RATE, write_short_inputs

pytestmark = pytest.mark.browser

PORTRAIT_SIZE = (180, 320)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("submit")
    short = write_short_inputs(folder)
    write_clip(folder / "portrait.mp4", seconds=2, size=PORTRAIT_SIZE, fps=FRAME_RATE)
    return {"video": short.video, "audio": short.audio["audio-2"], "portrait": folder / "portrait.mp4"}


@pytest.fixture(params=list(SCREEN_SIZES))
async def page(request: pytest.FixtureRequest, api: ApiServer, user: str) -> AsyncIterator[Page]:
    """A page in both screen sizes."""
    async with signed_in_page(api.base_url, await api.create_token(user), **SCREEN_SIZES[request.param]) as page:
        await page.goto(f"{api.base_url}/submit")
        yield page


async def choose_files(page: Page, files: dict[str, Path], video: str = "video") -> None:
    """Choose both files, and wait until the page has read them."""
    await page.set_input_files("#add-audio", files["audio"])
    await page.set_input_files("#video-file", files[video])
    await expect(page.locator("#player")).to_be_visible()
    await expect(page.locator("#audio-rows .entry")).to_have_count(1)


async def drag_mouse(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag with the mouse, in steps like a hand."""
    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=3)
    await page.mouse.move(*end, steps=3)
    await page.mouse.up()


async def bounding_box(thing: Locator) -> dict[str, float]:
    """Its position on the screen, in pixels."""
    found = await thing.bounding_box()
    assert found is not None
    return {side: found[side] for side in ("x", "y", "width", "height")}


async def draw_area(page: Page, x: float, y: float, w: float, h: float) -> None:
    """Draw an area, given in fractions of the visible picture."""
    await page.locator("#player").evaluate("element => element.scrollIntoView()")
    await page.locator("#draw-area").click()  # needed for touch, harmless for a mouse
    await page.locator("#player").evaluate("element => element.scrollIntoView()")
    box = await bounding_box(page.locator("#canvas"))

    def to_screen(across: float, down: float) -> tuple[float, float]:
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    await drag_mouse(page, to_screen(x, y), to_screen(x + w, y + h))


async def draft_request(page: Page) -> dict[str, Any]:
    """The request in its current state: what the page sends to the server's validation."""
    async with page.expect_request("**/submit/check") as asked:
        await page.locator("#display-name").fill(f"{await page.locator('#display-name').input_value()}.")
    request = await asked.value
    found: dict[str, Any] = json.loads(request.post_data or "")["request"]
    return found


def rounded_area(area: dict[str, Any]) -> dict[str, float]:
    """To a hundredth: a pixel of a phone's picture is a three-hundredth."""
    return {side: round(area[side], 2) for side in "xywh"}


@pytest.mark.parametrize("video", ["video", "portrait"])
async def test_an_area_is_in_fractions_of_the_video_frame(page: Page, files: dict[str, Path], video: str) -> None:
    await choose_files(page, files, video)
    screen, canvas = await bounding_box(page.locator("#video")), await bounding_box(page.locator("#canvas"))
    ratio = canvas["width"] / canvas["height"]
    assert ratio == pytest.approx(9 / 16 if video == "portrait" else 16 / 9, rel=0.02)
    if video == "portrait":
        assert screen["width"] > canvas["width"] + 20, "there are bars beside it"
    await draw_area(page, 0.25, 0.5, 0.5, 0.25)
    await page.locator("#add-segment").click()
    [area] = (await draft_request(page))["effects"]
    assert rounded_area(area) == {"x": 0.25, "y": 0.5, "w": 0.5, "h": 0.25}
    assert (area["kind"], area["start"]) == ("erasure", 0)


async def test_text_removal_alone_needs_neither_audio_nor_segments(page: Page, files: dict[str, Path]) -> None:
    await choose_files(page, files)
    await page.locator("#add-segment").click()  # marked before another kind was chosen: it is not sent
    await page.locator("[name=speech][value=none]").check()
    await expect(page.locator("#problems")).to_contain_text("Mark an area, or remove text from the whole picture")
    await page.locator("#whole-frame").check()
    request = await draft_request(page)
    assert (request["audio"], request["segments"], request["text_removal"]) == ([], [], "whole_frame")
    await expect(page.locator("#problem-head")).to_have_text("Ready to send")
    await expect(page.locator("#segments")).to_be_hidden()


async def test_one_audio_for_the_whole_video_needs_no_segments(page: Page, files: dict[str, Path]) -> None:
    await choose_files(page, files)
    await page.locator("[name=speech][value=whole_video]").check()
    request = await draft_request(page)
    assert ([item["refId"] for item in request["audio"]], request["segments"]) == (["audio-1"], [])
    assert "text_removal" not in request
    await expect(page.locator("#problem-head")).to_have_text("Ready to send")
    await page.set_input_files("#add-audio", files["audio"])
    await expect(page.locator("#problems")).to_contain_text("Keep one audio file")


async def test_an_area_is_edited_by_mouse_and_by_keyboard(page: Page, files: dict[str, Path]) -> None:
    await choose_files(page, files)
    await page.locator("#add-segment").click()
    await draw_area(page, 0.2, 0.2, 0.4, 0.4)
    canvas, area = await bounding_box(page.locator("#canvas")), page.locator(".area")
    middle = await bounding_box(area)
    start = (middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
    await drag_mouse(page, start, (start[0] + 0.1 * canvas["width"], start[1] + canvas["height"]))
    [moved] = (await draft_request(page))["effects"]
    assert rounded_area(moved) == {"x": 0.3, "y": 0.6, "w": 0.4, "h": 0.4}, "it stops at the edge of the picture"
    await area.focus()
    for _ in range(4):
        await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Alt+Shift+ArrowUp")
    [keyed] = (await draft_request(page))["effects"]
    assert rounded_area(keyed) == {"x": 0.28, "y": 0.6, "w": 0.4, "h": 0.35}
    await area.focus()
    await page.keyboard.press("Delete")
    assert (await draft_request(page))["effects"] == []


async def test_timeline_segments_never_overlap(page: Page, files: dict[str, Path]) -> None:
    await choose_files(page, files)
    await page.locator("#add-segment").click()
    await page.locator("#add-segment").click()
    await page.locator("#timeline").scroll_into_view_if_needed()
    first, second = (page.locator("#segment-lane .span").nth(index) for index in (0, 1))
    edge = first.locator("[data-edge=end]")
    box, lane = await bounding_box(edge), await bounding_box(page.locator("#segment-lane"))
    await page.locator("#timeline").evaluate("element => element.scrollIntoView()")
    box = await bounding_box(edge)
    at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await drag_mouse(page, at, (at[0] + lane["width"], at[1]))
    segments = (await draft_request(page))["segments"]
    assert segments[0]["endTime"] == segments[1]["startTime"], "it stops where the next one begins"
    await second.locator("[data-edge=end]").focus()
    await page.keyboard.press("ArrowLeft")
    moved = (await draft_request(page))["segments"][1]
    assert moved["endTime"] == pytest.approx(segments[1]["endTime"] - 0.1)
    await expect(second.locator("[data-edge=end]")).to_have_attribute("aria-valuenow", str(moved["endTime"]))


async def test_seconds_can_be_typed_and_show_their_problems(page: Page, files: dict[str, Path]) -> None:
    await choose_files(page, files)
    await page.locator("#add-segment").click()
    end = page.get_by_label("End (s)")
    await end.fill("99.5")
    problem = page.get_by_role("button", name="Segment 1, End (s): is 99.5 s, but the video lasts")
    await expect(problem).to_be_visible()
    await expect(page.locator("#send")).to_be_disabled()
    await expect(end).to_have_attribute("aria-invalid", "true")
    await problem.click()
    await expect(end).to_be_focused()
    await end.fill("0.75")
    await expect(page.get_by_text("Ready to send")).to_be_visible()
    assert (await draft_request(page))["segments"][0]["endTime"] == 0.75


async def test_an_empty_submit_page_says_what_to_do_first(page: Page) -> None:
    await expect(page.get_by_role("button", name="Choose a video", exact=True)).to_be_visible()
    await expect(page.locator("#send")).to_be_disabled()
    await expect(page.locator("[aria-invalid]")).to_have_count(0)  # nothing is wrong yet


async def test_a_submitted_job_has_the_marked_segments_and_areas(
    page: Page, files: dict[str, Path], api: ApiServer, user: str
) -> None:
    await choose_files(page, files)
    await page.locator("#add-segment").click()
    await draw_area(page, 0.25, 0.5, 0.5, 0.25)
    await page.get_by_label("Name of the job").fill("From the browser")
    await page.get_by_role("button", name="Send the job").click()
    await page.wait_for_url("**/jobs/*")
    await expect(page.get_by_role("heading", name="From the browser")).to_be_visible()
    job = await api.repository.get_job(page.url.rsplit("/", 1)[-1])
    assert job.user_id == user
    assert rounded_area(job.request["effects"][0]) == {"x": 0.25, "y": 0.5, "w": 0.5, "h": 0.25}
    sent = api.store.head(job.request["video"].removeprefix(f"s3://{api.store.bucket}/"))
    assert sent is not None
    assert sent.size == files["video"].stat().st_size


async def reject_upload(route: Route) -> None:
    """Like a store that passes the CORS preflight and then rejects the upload."""
    allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT"}
    await route.fulfill(status=200 if route.request.method == "OPTIONS" else 403, headers=allowed)


async def test_the_form_uploads_if_the_storage_is_unreachable(
    page: Page, files: dict[str, Path], api: ApiServer, user: str
) -> None:
    storage = api.store.presign("any", 60).split(f"/{api.store.bucket}/")[0]
    await page.route(f"{storage}/**", reject_upload)
    await choose_files(page, files)
    await page.locator("#add-segment").click()
    async with page.expect_request("**/pro-sync-process"):
        await page.get_by_role("button", name="Send the job").click()
    await page.wait_for_url("**/jobs/*")
    job = await api.repository.get_job(page.url.rsplit("/", 1)[-1])
    assert [segment["audioInput"]["refId"] for segment in job.request["segments"]] == ["audio-1"]
