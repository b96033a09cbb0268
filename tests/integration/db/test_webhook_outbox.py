"""A webhook is written in the transaction of its event, for every endpoint that wants it."""

import asyncio
import uuid

import pytest

from tests.integration.db.conftest import CreateLeasedJob, make_request
from videojobs.db import JobRepository, Lease, Submission, SubmissionState
from videojobs.db.maintenance import PurgeFilter
from videojobs.db.webhook_endpoints import EndpointChanges
from videojobs.db.webhook_models import WebhookDelivery
from videojobs.db.webhook_outbox import OUTBOX_TOPIC
from videojobs.lecture.parsing import parse_lecture
from videojobs.requests.models import JobRequest
from videojobs.states import RecoveryPoint, Stage
from videojobs.testing import fault_injection
from videojobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent

URL = "https://receiver.example.com/hook"
CALLBACK = "https://callbacks.example.com/jobs"


@pytest.fixture
def user() -> str:
    return f"user-{uuid.uuid4().hex[:12]}"


def request_of(user: str, **changes: object) -> JobRequest:
    return make_request().model_copy(update={"user_id": user, **changes})


async def create_endpoint(repository: JobRepository, user: str, *events: WebhookEvent) -> uuid.UUID:
    wanted = events or tuple(WebhookEvent)
    return (await repository.create_webhook_endpoint(user, URL, wanted, "", limit=20)).id


async def create_job(repository: JobRepository, user: str, job_id: str, **changes: object) -> Lease:
    await repository.create(job_id, request_of(user, **changes), actor="test")
    lease = Lease(job_id, "run-1/1")
    assert await repository.acquire_lease(lease, 60) is None
    return lease


async def deliveries(repository: JobRepository, user: str) -> list[WebhookDelivery]:
    """Oldest first."""
    return list(reversed(await repository.list_webhook_deliveries(user, limit=100)))


async def events(repository: JobRepository, user: str) -> list[str]:
    return [delivery.event for delivery in await deliveries(repository, user)]


# ---- which events ------------------------------------------------------------------------------------------


async def test_a_job_tells_its_start_progress_and_completion(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    lease = await create_job(repository, user, job_id)
    await repository.update_progress(lease, 5, "Uploading files...")
    await repository.update_progress(lease, 5, "Uploading files...")  # nothing changed
    for point in (RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryPoint.LIP_SYNC_STORED):
        await repository.advance(lease, point)
        await repository.advance(lease, point)  # a repeated step
    await repository.complete(lease, "s3://bucket/result.mp4")
    assert await events(repository, user) == ["job.started", *["job.progress"] * 4, "job.completed"]


async def test_text_removal_alone_tells_the_same_events(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    lease = await create_job(repository, user, job_id, audio=[], segments=[], effects=[], text_removal="whole_frame")
    for point in (RecoveryPoint.UPLOADED, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, RecoveryPoint.TEXT_REMOVAL_STORED):
        await repository.advance(lease, point)
    await repository.complete(lease, "s3://bucket/result.mp4")
    assert await events(repository, user) == ["job.started", *["job.progress"] * 3, "job.completed"]
    assert [delivery.data["message"] for delivery in await deliveries(repository, user)] == [
        "Uploading files...",
        "Starting text inpainting...",
        "Text inpainting in progress...",
        "Text inpainting in progress...",
        "Pro video processing completed (text inpainting)",
    ]


async def test_progress_is_sent_to_those_who_ask_for_it(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user, *DEFAULT_EVENTS)
    lease = await create_job(repository, user, job_id)
    await repository.update_progress(lease, 5, "Uploading files...")
    await repository.fail(lease, "the video is black")
    assert await events(repository, user) == ["job.started", "job.failed"]


async def test_a_parked_job_that_continues_has_started_again(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user, *DEFAULT_EVENTS)
    lease = await create_job(repository, user, job_id)
    await repository.park(lease, "nobody knows whether it was bought")
    await repository.reopen(lease, {"reason": "look again"})
    await repository.fail(lease, "it was not")
    await repository.reopen(lease, {"reason": "again"})
    assert await events(repository, user) == [
        "job.started",
        "job.parked",
        "job.started",
        "job.failed",
        "job.started",
    ]


async def test_a_cancelled_job_that_runs_again_starts_once(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user, *DEFAULT_EVENTS)
    lease = await create_job(repository, user, job_id)
    await repository.cancel(job_id, lease.flow_run_id, "Cancelled; nothing was bought.", actor="test")
    again = Lease(job_id, "run-2/1")
    assert await repository.acquire_lease(again, 60) is None
    await repository.reopen(again, {"reason": "an operator"})
    assert await events(repository, user) == ["job.started", "job.cancelled", "job.started"]


async def test_a_run_that_takes_over_tells_nothing(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    lease = await create_job(repository, user, job_id)
    await repository.release_lease(lease)
    assert await repository.acquire_lease(Lease(job_id, "run-2/1"), 60) is None
    assert await events(repository, user) == ["job.started"]


async def submit(repository: JobRepository, lease: Lease) -> Submission:
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
    return intent.submission


async def park_with_unknown_outcome(repository: JobRepository, lease: Lease) -> Submission:
    submission = await submit(repository, lease)
    await repository.record_outcome(lease, submission, SubmissionState.UNKNOWN, error="no answer")
    await repository.park(lease, "no answer")
    return submission


async def test_a_vendors_callback_starts_a_parked_job_again(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user, *DEFAULT_EVENTS)
    lease = await create_job(repository, user, job_id)
    submission = await park_with_unknown_outcome(repository, lease)
    await repository.record_callback(submission, f"g-{job_id}")
    assert await events(repository, user) == ["job.started", "job.parked", "job.started"]


async def test_an_adopted_generation_starts_a_job_again_once(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    lease = await create_job(repository, user, job_id)
    submission = await park_with_unknown_outcome(repository, lease)
    await repository.record_accepted(
        lease,
        submission,
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        vendor_id=f"g-{job_id}",
        answer={},
        metadata={},
        adoption={"reason": "found"},
    )
    told = await events(repository, user)
    assert told == ["job.started", "job.progress", "job.parked", "job.progress", "job.started"]


async def test_a_rejected_request_has_failed(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    await repository.create_rejected(job_id, user_id=user, display_name=None, error="no segments", actor="test")
    [told] = await deliveries(repository, user)
    assert (told.event, told.data["error"], told.data["error_code"]) == ("job.failed", "no segments", "invalid_request")


async def test_a_rejected_request_reaches_its_callback(repository: JobRepository, user: str, job_id: str) -> None:
    await repository.create_rejected(
        job_id, user_id=user, display_name=None, error="no segments", actor="test", callback_url=CALLBACK
    )
    assert [told.callback_url for told in await deliveries(repository, user)] == [CALLBACK]


async def test_a_purged_job_is_deleted(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user, *DEFAULT_EVENTS)
    lease = await create_job(repository, user, job_id)
    await repository.fail(lease, "the video is black")
    assert await repository.purge(lease, PurgeFilter([user], -1))
    told = (await deliveries(repository, user))[-1]
    assert (told.event, told.job_id, told.data["status"]) == ("job.deleted", job_id, "failed")


async def test_a_lecture_tells_the_same_events(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    request = parse_lecture({"video": "https://example.com/l.mp4", "user_id": user, "callback_url": CALLBACK})
    await repository.create(job_id, request, actor="test")
    lease = Lease(job_id, "run-1/1")
    await repository.acquire_lease(lease, 60)
    await repository.advance(lease, RecoveryPoint.FETCHED)
    told = await deliveries(repository, user)
    assert {item.data["kind"] for item in told} == {"lecture"}
    assert [(item.event, item.callback_url) for item in told if item.callback_url] == [("job.started", CALLBACK)]
    assert [item.event for item in told if not item.callback_url] == ["job.started", "job.progress"]


# ---- to whom, and what -------------------------------------------------------------------------------------


async def test_a_message_has_the_jobs_state_at_its_event(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    lease = await create_job(repository, user, job_id)
    await repository.update_progress(lease, 5, "Uploading files...")
    await repository.park(lease, "nobody knows")
    first, _, parked = await deliveries(repository, user)
    created = (await repository.get_job(job_id)).created_at.isoformat()
    assert first.data == {
        "job_id": job_id,
        "kind": "pro_video",
        "user_id": user,
        "display_name": "A job",
        "passthrough": None,
        "status": "processing",
        "progress": 0,
        "message": "Uploading files...",
        "error": None,
        "error_code": None,
        "parked_reason": None,
        "created_at": created,
        "completed_at": None,
    }
    assert parked.data["progress"] == 5
    assert parked.data["parked_reason"] == "nobody knows"


async def test_every_endpoint_of_the_user_gets_its_message(repository: JobRepository, user: str, job_id: str) -> None:
    ids = {await create_endpoint(repository, user), await create_endpoint(repository, user)}
    await create_endpoint(repository, f"{user}-2")
    await create_job(repository, user, job_id)
    told = await deliveries(repository, user)
    assert {item.endpoint_id for item in told} == ids
    assert len({item.id for item in told}) == 2
    assert await deliveries(repository, f"{user}-2") == []


async def test_without_endpoints_nothing_is_written(repository: JobRepository, user: str, job_id: str) -> None:
    await create_job(repository, user, job_id)
    assert await deliveries(repository, user) == []


async def test_callbacks_of_a_user_share_one_secret(repository: JobRepository, user: str, job_id: str) -> None:
    await asyncio.gather(
        *(create_job(repository, user, f"{job_id}-{i}", callback_url=f"{CALLBACK}/{i}") for i in range(5))
    )
    told = await deliveries(repository, user)
    assert {item.callback_url for item in told} == {f"{CALLBACK}/{i}" for i in range(5)}
    assert len({item.endpoint_id for item in told}) == 1
    assert await repository.list_webhook_endpoints(user) == [], "callbacks are no endpoint that the user manages"


async def test_a_disabled_endpoint_keeps_what_it_missed(repository: JobRepository, user: str, job_id: str) -> None:
    endpoint = await create_endpoint(repository, user)
    await repository.update_webhook_endpoint(user, endpoint, EndpointChanges(enabled=False))
    await create_job(repository, user, job_id)
    assert [item.state for item in await deliveries(repository, user)] == ["failed"]


# ---- in one transaction ------------------------------------------------------------------------------------


async def test_event_and_webhook_are_committed_together(
    repository: JobRepository, user: str, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure just before the commit leaves neither."""
    await create_endpoint(repository, user)
    lease = await create_job(repository, user, job_id)

    def fail_before_commit(point: str, _job_id: str | None = None) -> None:
        if point == "db.fail.before_commit":
            raise fault_injection.InjectedFault(point)

    monkeypatch.setattr("videojobs.db.repository_base.fault_point", fail_before_commit)
    with pytest.raises(fault_injection.InjectedFault):
        await repository.fail(lease, "the video is black")
    monkeypatch.undo()
    assert await events(repository, user) == ["job.started"]
    assert (await repository.get_job(job_id)).status == "processing"
    await repository.fail(lease, "the video is black")
    assert await events(repository, user) == ["job.started", "job.failed"]


async def test_a_commit_wakes_the_processes_that_send(repository: JobRepository, user: str, job_id: str) -> None:
    await create_endpoint(repository, user)
    woken = asyncio.Event()
    with repository.notifications.subscribe(OUTBOX_TOPIC, woken.set):
        async with asyncio.timeout(10):
            while not repository.notifications.is_listening:  # noqa: ASYNC110  # Postgres causes the change
                await asyncio.sleep(0.02)
            woken.clear()
            await create_job(repository, user, job_id)
            await woken.wait()


async def test_jobs_of_earlier_versions_have_no_callback(
    create_leased_job: CreateLeasedJob, repository: JobRepository
) -> None:
    lease = await create_leased_job()
    assert "callback_url" not in (await repository.get_job(lease.job_id)).request
    await repository.fail(lease, "the video is black")
