"""A response of GhostCut is lost, and its callback too: the job completes by itself, with one paid work."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_operator_actions import apply_decision, wait_for_resumed_job
from videojobs.db import VideoJob
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("in_process_flows")

LIST_LAG_SECONDS, SETTLING_SECONDS = (
    2,
    60,
)  # seconds until a work is listed, and until a missing one counts as not accepted


@pytest.fixture
async def slow_list(driver: StackDriver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS", str(SETTLING_SECONDS))
    await driver.update_vendor_settings("ghostcut", list_lag_seconds=LIST_LAG_SECONDS)
    yield
    await driver.update_vendor_settings("ghostcut", list_lag_seconds=0)


@pytest.fixture
async def failing_list(driver: StackDriver) -> AsyncIterator[None]:
    await driver.inject_fault("ghostcut", "code", "", on="list", code=4001, times=1000)
    yield
    await driver.clear_faults("ghostcut")


async def run_with_fault(driver: StackDriver, job_id: str, **fault: Any) -> VideoJob:
    await driver.inject_fault("ghostcut", "callback", job_id, effect="drop", times=9)
    await driver.inject_fault("ghostcut", job_id=job_id, **fault)
    return await driver.run_in_process(driver.make_small_request(), job_id)


async def remaining_points(driver: StackDriver) -> float:
    """The account's remaining points."""
    return float((await driver.update_vendor_settings("ghostcut"))["points"])


async def text_removal_events(driver: StackDriver, job_id: str) -> list[str]:
    """The relevant events of the text removal, in order."""
    events = [event.kind for event in await driver.repository.list_events(job_id)]
    after_lip_sync = events[events.index("accepted") + 1 :]
    return [kind for kind in after_lip_sync if kind in ("intended", "unknown", "not_taken", "accepted", "parked")]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset", "when": "after"},
        {"kind": "http_error", "when": "after", "status": 502},
        {"kind": "malformed", "when": "after"},
        {"kind": "code", "when": "after", "code": 9999},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_a_lost_work_is_found_in_the_list_and_paid_once(
    driver: StackDriver, job_id: str, fault: dict[str, Any]
) -> None:
    before = await remaining_points(driver)
    job = await run_with_fault(driver, job_id, **fault)
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert job.job_metadata["ghostcut_task_id"] == str(work["id"])
    assert await remaining_points(driver) == before - work["paid"] == before - 1
    assert await text_removal_events(driver, job_id) == ["intended", "unknown", "accepted"]


@pytest.mark.parametrize(
    "fault",
    [{"kind": "reset"}, {"kind": "http_error", "status": 503}, {"kind": "malformed"}, {"kind": "code", "code": 9999}],
    ids=lambda fault: fault["kind"],
)
async def test_an_undelivered_submission_is_resent_and_paid_once(
    driver: StackDriver, job_id: str, fault: dict[str, Any]
) -> None:
    before = await remaining_points(driver)
    job = await run_with_fault(driver, job_id, **fault)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    assert await remaining_points(driver) == before - 1
    assert await text_removal_events(driver, job_id) == ["intended", "unknown", "not_taken", "intended", "accepted"]


async def test_a_work_listed_late_is_not_bought_again(driver: StackDriver, job_id: str, slow_list: None) -> None:
    job = await run_with_fault(driver, job_id, kind="reset", when="after")
    assert job.status == Status.COMPLETED
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    assert await text_removal_events(driver, job_id) == ["intended", "unknown", "accepted"]


async def test_an_unreachable_list_is_queried_again(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("ghostcut", "http_error", "", on="list", status=503, times=3)
    job = await run_with_fault(driver, job_id, kind="reset", when="after")
    assert job.status == Status.COMPLETED
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


@pytest.mark.parametrize("effect", ["no_url", "bare_url"])
async def test_a_list_without_the_source_url_parks_the_job(driver: StackDriver, job_id: str, effect: str) -> None:
    await driver.inject_fault("ghostcut", "listed", job_id, effect=effect, times=1000)
    job = await run_with_fault(driver, job_id, kind="reset", when="after")
    assert job.status == Status.PROCESSING
    assert "GhostCut lists works that may be this submission" in str(job.parked_reason)
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    await driver.clear_faults("ghostcut")  # other jobs' lists contain this work, too


async def test_a_rejected_list_parks_the_job_until_a_retry(
    driver: StackDriver, job_id: str, failing_list: None
) -> None:
    job = await run_with_fault(driver, job_id, kind="reset", when="after")
    assert job.status == Status.PROCESSING
    assert "4001" in str(job.parked_reason)
    await driver.clear_faults("ghostcut")
    await apply_decision(driver, job_id, "retry")
    assert (await wait_for_resumed_job(driver, job_id)).status == Status.COMPLETED
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
