"""GhostCut's callbacks at the front door: they repair a lost answer, and nothing that they say is simply believed."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from tests.stack.conftest import Desk
from tests.stack.test_cancelling import until
from tests.stack.test_deciding import lose_the_answer, lost_work
from videojobs.ledger import SubmissionState
from videojobs.states import Stage, Status

pytestmark = pytest.mark.usefixtures("here")


async def completed(desk: Desk, job_id: str) -> None:
    """Wait for whoever goes on with the job to complete it."""

    async def is_completed() -> bool:
        return (await desk.ledger.job(job_id)).status == Status.COMPLETED

    await until(is_completed)


async def kinds(desk: Desk, job_id: str) -> list[str]:
    """The events of the job that matter here, in their order."""
    told = ("parked", "heard_of", "accepted", "completed")
    events = [event.kind for event in await desk.ledger.events(job_id) if event.kind in told]
    assert events.pop(0) == "accepted", "Sync.so"
    return events


async def runs_on_the_worker(desk: Desk, job_id: str) -> list[FlowRun]:
    newest = await desk.prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=["pro-video"])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
    return [run for run in newest if run.parameters.get("job_id") == job_id]


def signed(body: bytes, secret: str) -> str:
    """As the vendor writes it down: md5hex(md5hex(body) + secret)."""
    inner = hashlib.md5(body).hexdigest()  # noqa: S324  # the vendor's choice
    return hashlib.md5((inner + secret).encode()).hexdigest()  # noqa: S324


async def call_back(
    desk: Desk, job_id: str, body: dict[str, Any] | bytes, *, token: str | None = None, secret: str | None = None
) -> int:
    """A callback to the address that the vendor was given for this job; gives the status of the answer."""
    [work] = await desk.paid("ghostcut", job_id)
    address, _, own = str(work["request"]["callback"]).rpartition("/")
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = signed(raw, secret or desk.stack.variables["GHOSTCUT_APP_SECRET"])
    async with httpx.AsyncClient() as vendor:
        answer = await vendor.post(f"{address}/{token or own}", content=raw, headers={"Callback-Sign": signature})
    assert answer.status_code != 200 or answer.content, "the vendor takes an empty body for a failure"
    return answer.status_code


def report(work: str, **more: Any) -> dict[str, Any]:
    return {"id": int(work), "idProject": 1, "url": "https://example.com/video.mp4", "processStatus": 1, **more}


@pytest.fixture
async def slow_ghostcut(desk: Desk) -> AsyncIterator[None]:
    """It works for longer than a run needs to park its job, and brings what was not taken again soon."""
    await desk.settings("ghostcut", processing_seconds=3, callback_retry_seconds=0.5)
    yield
    await desk.settings("ghostcut", processing_seconds=0.5, callback_retry_seconds=5)


async def test_a_lost_answer_is_repaired_by_the_callback_that_comes_when_the_job_is_parked(
    desk: Desk, job_id: str, slow_ghostcut: None
) -> None:
    await lose_the_answer(desk, job_id)
    assert (await desk.run_here(desk.small(), job_id)).parked_reason is not None
    await completed(desk, job_id)
    [work] = await desk.paid("ghostcut", job_id)
    job = await desk.ledger.job(job_id)
    assert (job.parked_reason, job.job_metadata["ghostcut_task_id"]) == (None, str(work["id"]))
    assert await kinds(desk, job_id) == ["parked", "heard_of", "accepted", "completed"]
    [run] = await runs_on_the_worker(desk, job_id)
    assert (await desk.ended(run)).state_name == "Completed"


async def test_a_callback_that_finds_the_front_door_closed_is_repeated_and_repairs_the_job(
    desk: Desk, job_id: str, slow_ghostcut: None
) -> None:
    async def knocked() -> bool:
        return any(job_id in note["body"] for note in (await desk.books("ghostcut"))["notifications"])

    await desk.stack.kill("gateway")
    await lose_the_answer(desk, job_id)
    assert (await desk.run_here(desk.small(), job_id)).parked_reason is not None
    await until(knocked)
    await desk.stack.restart("gateway")
    await completed(desk, job_id)
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_a_callback_that_overtakes_the_answer_changes_nothing_about_a_normal_run(desk: Desk, job_id: str) -> None:
    await desk.fault("ghostcut", "slow", job_id, when="after", seconds=8)
    assert (await desk.run_here(desk.small(), job_id)).status == Status.COMPLETED
    assert await kinds(desk, job_id) == ["heard_of", "accepted", "completed"]
    [work] = await desk.paid("ghostcut", job_id)
    assert work["callback"] == "delivered"
    assert await runs_on_the_worker(desk, job_id) == []


async def test_a_callback_whose_repeat_names_another_link_leads_to_one_result_that_can_be_had(
    desk: Desk, job_id: str
) -> None:
    await desk.fault("ghostcut", "callback", job_id, effect="changed_url")
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.COMPLETED, job.error_message
    assert len(await desk.paid("ghostcut", job_id)) == 1
    assert (await desk.final_video(job)).stat().st_size > 0


async def test_an_answer_that_names_the_project_only_is_repaired_without_any_callback(desk: Desk, job_id: str) -> None:
    await desk.fault("ghostcut", "callback", job_id, effect="drop")
    await desk.fault("ghostcut", "no_work_ids", job_id)
    job = await desk.run_here(desk.small(), job_id)
    [work] = await desk.paid("ghostcut", job_id)
    assert (job.status, job.job_metadata["ghostcut_task_id"]) == (Status.COMPLETED, str(work["id"]))
    assert await kinds(desk, job_id) == ["accepted", "completed"]


async def test_callbacks_that_come_twice_or_late_start_one_run(desk: Desk, job_id: str) -> None:
    work = await lost_work(desk, job_id)
    assert await asyncio.gather(*(call_back(desk, job_id, report(work)) for _ in range(3))) == [200] * 3
    await completed(desk, job_id)
    events = await kinds(desk, job_id)
    assert await call_back(desk, job_id, report(work, videoUrl="https://example.com/another.mp4")) == 200
    assert await kinds(desk, job_id) == events == ["parked", "heard_of", "accepted", "completed"]
    assert len(await runs_on_the_worker(desk, job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_somebody_elses_work_is_not_adopted_and_does_not_keep_out_our_own(desk: Desk, job_id: str) -> None:
    async def is_parked_again() -> bool:
        return (await kinds(desk, job_id)).count("parked") == 2

    ours = await lost_work(desk, job_id)
    theirs = await lost_work(desk, f"job-{uuid.uuid4()}")
    assert await call_back(desk, job_id, report(theirs)) == 200
    await until(is_parked_again)
    assert await desk.submission(job_id, Stage.TEXT_REMOVAL) == SubmissionState.UNKNOWN
    assert len(await desk.paid("ghostcut", job_id)) == 1
    assert await call_back(desk, job_id, report(ours)) == 200
    await completed(desk, job_id)
    assert (await desk.ledger.job(job_id)).job_metadata["ghostcut_task_id"] == ours


async def test_what_the_vendor_has_not_sent_is_refused_and_changes_nothing(desk: Desk, job_id: str) -> None:
    work = report(await lost_work(desk, job_id))
    before = [event.kind for event in await desk.ledger.events(job_id)]
    [lip_sync, _] = await desk.ledger.submissions(job_id)
    refused = {
        "signed with another secret": await call_back(desk, job_id, work, secret="guessed"),
        "an address that nobody was given": await call_back(desk, job_id, work, token="x" * 43),
        "no address of ours at all": await call_back(desk, job_id, work, token="%00"),
        "the address of another stage": await call_back(desk, job_id, work, token=lip_sync.callback_token),
        "no JSON": await call_back(desk, job_id, b"{"),
        "no report": await call_back(desk, job_id, {"id": None}),
        "an id that is none": await call_back(desk, job_id, work | {"id": "1\0"}),
        "too long": await call_back(desk, job_id, work | {"url": "x" * 65_536}),
    }
    assert list(refused.values()) == [403, 404, 404, 404, 400, 400, 400, 413], refused
    assert [event.kind for event in await desk.ledger.events(job_id)] == before
    assert (await desk.ledger.job(job_id)).parked_reason is not None
    assert await runs_on_the_worker(desk, job_id) == []
