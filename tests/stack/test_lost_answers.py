"""An answer of GhostCut is lost, and its callback too: the job completes by itself, and one work is paid for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.stack.conftest import Desk
from tests.stack.test_deciding import decided, settled
from videojobs.ledger import VideoJob
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("here")

LAG, SETTLING = 2, 60  # seconds until a work is listed, and until a missing one counts as not taken


@pytest.fixture
async def slow_list(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setenv("VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS", str(SETTLING))
    await desk.settings("ghostcut", list_lag_seconds=LAG)
    yield
    await desk.settings("ghostcut", list_lag_seconds=0)


@pytest.fixture
async def refused_list(desk: Desk) -> AsyncIterator[None]:
    await desk.fault("ghostcut", "code", "", on="list", code=4001, times=1000)
    yield
    await desk.disarm("ghostcut")


async def run(desk: Desk, job_id: str, **fault: Any) -> VideoJob:
    await desk.fault("ghostcut", "callback", job_id, effect="drop", times=9)
    await desk.fault("ghostcut", job_id=job_id, **fault)
    return await desk.run_here(desk.small(), job_id)


async def points(desk: Desk) -> float:
    """What is left on the account."""
    return float((await desk.settings("ghostcut"))["points"])


async def told(desk: Desk, job_id: str) -> list[str]:
    """The events about the text removal that matter here, in their order."""
    events = [event.kind for event in await desk.ledger.events(job_id)]
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
async def test_a_work_whose_answer_was_lost_is_found_in_the_list_and_paid_for_once(
    desk: Desk, job_id: str, fault: dict[str, Any]
) -> None:
    before = await points(desk)
    job = await run(desk, job_id, **fault)
    [work] = await desk.paid("ghostcut", job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert job.job_metadata["ghostcut_task_id"] == str(work["id"])
    assert await points(desk) == before - work["paid"] == before - 1
    assert await told(desk, job_id) == ["intended", "unknown", "accepted"]


@pytest.mark.parametrize(
    "fault",
    [{"kind": "reset"}, {"kind": "http_error", "status": 503}, {"kind": "malformed"}, {"kind": "code", "code": 9999}],
    ids=lambda fault: fault["kind"],
)
async def test_what_never_reached_the_vendor_is_sent_again_after_the_settling_time_and_paid_for_once(
    desk: Desk, job_id: str, fault: dict[str, Any]
) -> None:
    before = await points(desk)
    job = await run(desk, job_id, **fault)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await desk.paid("ghostcut", job_id)) == 1
    assert await points(desk) == before - 1
    assert await told(desk, job_id) == ["intended", "unknown", "not_taken", "intended", "accepted"]


async def test_a_work_that_is_listed_late_is_waited_for_and_not_bought_again(
    desk: Desk, job_id: str, slow_list: None
) -> None:
    job = await run(desk, job_id, kind="reset", when="after")
    assert job.status == Status.COMPLETED
    assert len(await desk.paid("ghostcut", job_id)) == 1
    assert await told(desk, job_id) == ["intended", "unknown", "accepted"]


async def test_a_list_that_is_out_of_reach_for_a_while_is_asked_again(desk: Desk, job_id: str) -> None:
    await desk.fault("ghostcut", "http_error", "", on="list", status=503, times=3)
    job = await run(desk, job_id, kind="reset", when="after")
    assert job.status == Status.COMPLETED
    assert len(await desk.paid("ghostcut", job_id)) == 1


@pytest.mark.parametrize("effect", ["no_url", "bare_url"])
async def test_a_list_that_does_not_show_our_link_leaves_the_job_to_an_operator(
    desk: Desk, job_id: str, effect: str
) -> None:
    await desk.fault("ghostcut", "listed", job_id, effect=effect, times=1000)
    job = await run(desk, job_id, kind="reset", when="after")
    assert job.status == Status.PROCESSING
    assert "GhostCut lists works that may be it" in str(job.parked_reason)
    assert len(await desk.paid("ghostcut", job_id)) == 1
    await desk.disarm("ghostcut")  # other jobs' lists show this work, too


async def test_a_list_that_is_refused_leaves_the_job_to_an_operator_and_a_retry_looks_again(
    desk: Desk, job_id: str, refused_list: None
) -> None:
    job = await run(desk, job_id, kind="reset", when="after")
    assert job.status == Status.PROCESSING
    assert "4001" in str(job.parked_reason)
    await desk.disarm("ghostcut")
    await decided(desk, job_id, "retry")
    assert (await settled(desk, job_id)).status == Status.COMPLETED
    assert len(await desk.paid("ghostcut", job_id)) == 1
