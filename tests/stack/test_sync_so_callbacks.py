"""Sync.so's callbacks on the real stack: they wake the job that waits, and name a generation whose answer was lost."""

import asyncio
import json

import pytest

from tests.stack.conftest import Desk
from tests.stack.test_cancelling import until
from videojobs.ledger import VideoJob
from videojobs.states import Stage, Status

pytestmark = pytest.mark.usefixtures("here")


async def done(desk: Desk, job_id: str) -> VideoJob:
    """A job with lip-sync only, done with one paid generation."""
    job = await desk.run_here(desk.small(areas=False), job_id)
    assert (job.status, job.parked_reason) == (Status.COMPLETED, None), job.error_message
    assert len(await desk.paid("sync_so", job_id)) == 1
    return job


async def outcomes(desk: Desk, job_id: str) -> list[str]:
    """What became of each delivery of the job's webhook, once there is one."""
    found: list[str] = []

    async def told() -> bool:
        notes = (await desk.books("sync_so"))["notifications"]
        found[:] = [note["outcome"] for note in notes if job_id in note["body"]]
        return bool(found)

    await until(told)
    return found


async def heard_of(desk: Desk, job_id: str) -> list[str]:
    """The generations that webhooks have named where that was news."""
    return [
        event.detail["candidate"]
        for event in await desk.ledger.events(job_id)
        if event.kind == "heard_of" and event.detail
    ]


async def test_the_generation_is_given_the_submissions_own_address_in_the_bytes_on_the_books(
    desk: Desk, job_id: str
) -> None:
    await done(desk, job_id)
    [submission] = await desk.ledger.submissions(job_id)
    [generation] = await desk.paid("sync_so", job_id)
    address = f"{desk.stack.address_of('gateway')}/callbacks/sync-so/{submission.callback_token}"
    assert json.loads(submission.request_body)["webhookUrl"] == generation["request"]["webhookUrl"] == address
    assert await outcomes(desk, job_id) == ["200"]
    assert await heard_of(desk, job_id) == []


async def test_a_lost_answer_is_replayed_with_the_same_bytes_address_and_all(desk: Desk, job_id: str) -> None:
    await desk.fault("sync_so", "reset", job_id, when="after")
    await done(desk, job_id)
    [generation] = await desk.paid("sync_so", job_id)
    assert generation["replays"] == 1
    assert await outcomes(desk, job_id) == ["200"]


async def test_a_job_that_is_called_back_does_not_wait_for_the_answer_of_its_long_poll(desk: Desk, job_id: str) -> None:
    await desk.fault("sync_so", "slow", job_id, on="status", when="after", seconds=100)
    async with asyncio.timeout(50):
        await done(desk, job_id)


async def test_a_lost_answer_that_cannot_be_replayed_any_more_is_adopted_by_its_callback(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_REPLAY_HOURS", "0")
    await desk.fault("sync_so", "reset", job_id, when="after")
    await desk.fault("sync_so", "http_error", "", on="list", times=1000)
    try:
        job = await done(desk, job_id)
    finally:
        await desk.disarm("sync_so")
    [generation] = await desk.paid("sync_so", job_id)
    assert await heard_of(desk, job_id) == [generation["id"]] == [job.zhaoli_task_id]
    assert await desk.submission(job_id, Stage.LIP_SYNC) == "done"


@pytest.mark.parametrize(
    ("effect", "answers"),
    [("drop", ["dropped"]), ("duplicate", ["200", "200"]), ("wrong_signature", ["403"]), ("old", ["403"])],
)
async def test_a_webhook_that_is_lost_repeated_forged_or_old_does_no_harm(
    desk: Desk, job_id: str, effect: str, answers: list[str]
) -> None:
    await desk.fault("sync_so", "webhook", job_id, effect=effect)
    await done(desk, job_id)
    assert await outcomes(desk, job_id) == answers
    assert await heard_of(desk, job_id) == []


async def test_a_webhook_that_overtakes_the_answer_is_noted_and_changes_nothing_about_the_run(
    desk: Desk, job_id: str
) -> None:
    await desk.fault("sync_so", "slow", job_id, when="after", seconds=4)
    job = await done(desk, job_id)
    assert await heard_of(desk, job_id) == [job.zhaoli_task_id]
