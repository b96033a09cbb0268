"""Both vendors' callbacks on a real database: at any time, and however often, they cause no wrong change."""

import asyncio

import pytest

from tests.integration.db.conftest import CreateLeasedJob
from tests.integration.db.test_notifications import wait_until_listening
from tests.support.signed_callbacks import (
    GHOSTCUT,
    SYNC_SO,
    VENDORS,
    CallbackClient,
    CallbackVendor,
    FakeServices,
    create_sent_submission,
    job_records,
)
from videojobs.db import JobRepository, Lease, Submission, SubmissionState
from videojobs.states import RecoveryPoint, Status

both_vendors = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.provider)


@pytest.fixture
def services(repository: JobRepository) -> FakeServices:
    return FakeServices(repository)


@pytest.fixture
def api(services: FakeServices) -> CallbackClient:
    return CallbackClient(services)


async def create_lost_submission(repository: JobRepository, lease: Lease, vendor: CallbackVendor) -> Submission:
    """A submission whose response is lost; the job waits for an operator."""
    submission = await create_sent_submission(repository, lease, vendor)
    await repository.record_outcome(lease, submission, SubmissionState.UNKNOWN, error="connection reset")
    await repository.park(lease, "nobody knows", unresolved=submission)
    await repository.release_lease(lease)
    return submission


async def create_accepted_submission(repository: JobRepository, lease: Lease, vendor: CallbackVendor) -> Submission:
    submission = await create_sent_submission(repository, lease, vendor)
    await repository.record_accepted(
        lease, submission, vendor.submitted_point, vendor_id=lease.job_id, answer={}, metadata={}
    )
    return submission


async def callback_vendor_ids(repository: JobRepository, job_id: str) -> list[object]:
    """The vendor ids that callbacks have reported."""
    return [
        event.detail and event.detail["reported_vendor_id"]
        for event in await repository.list_events(job_id)
        if event.kind == "callback_received"
    ]


@both_vendors
async def test_a_callback_during_the_submit_call_starts_no_run(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    lease = await create_leased_job()
    submission = await create_sent_submission(repository, lease, vendor)
    answer = await api.send_callback(vendor, submission.callback_token, vendor.report_body("42"))
    assert (answer.status_code, answer.content) == (200, b"accepted\n")
    assert await callback_vendor_ids(repository, lease.job_id) == ["42"]
    assert services.prefect.resumed == []
    assert (await repository.get_job(lease.job_id)).recovery_point is vendor.prior_points[-1]
    await repository.record_accepted(
        lease, submission, vendor.submitted_point, vendor_id=lease.job_id, answer={}, metadata={}
    )
    assert (await repository.get_job(lease.job_id)).recovery_point is vendor.submitted_point


@both_vendors
async def test_a_callback_for_a_lost_answer_resumes_the_job_once(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    submission = await create_lost_submission(repository, await create_leased_job(), vendor)
    body = vendor.report_body("42")
    delivery = vendor.signature_headers(body)
    answers = await asyncio.gather(
        *(api.send_callback(vendor, submission.callback_token, body, delivery) for _ in range(3))
    )
    assert [answer.status_code for answer in answers] == [200] * 3
    job = await repository.get_job(submission.job_id)
    assert job.parked_reason is None
    assert set(services.prefect.resumed) == {(job.id, job.updated_at)}, "the run's idempotency key is made of these two"
    assert await callback_vendor_ids(repository, job.id) == ["42"]


@both_vendors
async def test_a_callback_for_a_job_with_a_dead_run_starts_a_run(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    lease = await create_leased_job()
    submission = await create_sent_submission(repository, lease, vendor)
    await repository.release_lease(lease, clean_exit=False)
    await api.send_callback(vendor, submission.callback_token, vendor.report_body("42"))
    assert [job_id for job_id, _ in services.prefect.resumed] == [lease.job_id]


@both_vendors
async def test_a_callback_prevents_resubmitting_as_new(
    repository: JobRepository, create_leased_job: CreateLeasedJob, api: CallbackClient, vendor: CallbackVendor
) -> None:
    lease = await create_leased_job()
    submission = await create_sent_submission(repository, lease, vendor)
    await repository.record_outcome(lease, submission, SubmissionState.WAITING, error="429")
    await api.send_callback(vendor, submission.callback_token, vendor.report_body("42"))
    intent = await repository.create_intent(lease, vendor.stage, lambda _: b"other bytes", provider=vendor.provider)
    assert (intent.unsent, intent.submission.id, intent.submission.request_body) == (False, submission.id, b"{}")


@both_vendors
async def test_a_callback_wakes_the_waiting_run(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    lease = await create_leased_job()
    submission = await create_accepted_submission(repository, lease, vendor)
    before = await job_records(repository, lease.job_id, exclude_column="reported_vendor_id")
    woken = asyncio.Event()
    with repository.notifications.subscribe(lease.job_id, woken.set):
        await wait_until_listening(repository)
        woken.clear()
        await api.send_callback(vendor, submission.callback_token, vendor.report_body(lease.job_id))
        async with asyncio.timeout(5):
            await woken.wait()
    assert await job_records(repository, lease.job_id, exclude_column="reported_vendor_id") == before
    assert services.prefect.resumed == []


@both_vendors
async def test_contradictory_callbacks_change_nothing(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    """Out of order, too: the final report, then an older one."""
    lease = await create_leased_job()
    submission = await create_accepted_submission(repository, lease, vendor)
    before = await job_records(repository, lease.job_id, exclude_column="reported_vendor_id")
    stories: list[dict[str, object]]
    if vendor is SYNC_SO:
        stories = [
            {"outputUrl": "https://evil.example/2.mp4"},
            {"status": "FAILED", "error": "no"},
            {"status": "PENDING"},
        ]
    else:
        stories = [{"videoUrl": "https://evil.example/2.mp4"}, {"processStatus": 20}, {"processStatus": 0}]
    for story in [{}, *stories]:
        answer = await api.send_callback(vendor, submission.callback_token, vendor.report_body(lease.job_id, **story))
        assert answer.status_code == 200
    assert await job_records(repository, lease.job_id, exclude_column="reported_vendor_id") == before
    assert services.prefect.resumed == []


@both_vendors
@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_a_callback_after_the_end_changes_nothing(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
    end: str,
) -> None:
    lease = await create_leased_job()
    submission = await create_accepted_submission(repository, lease, vendor)
    if end == "completed":
        for point in (
            RecoveryPoint.LIP_SYNC_STORED,
            RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
            RecoveryPoint.TEXT_REMOVAL_STORED,
        ):
            await repository.advance(lease, point)
        await repository.complete(lease, "s3://bucket/result.mp4")
    elif end == "failed":
        await repository.record_outcome(lease, submission, SubmissionState.FAILED, error="it did not work")
        await repository.fail(lease, "it did not work")
    else:
        await repository.cancel(lease.job_id, lease.flow_run_id, "stopped", actor="test")
    await repository.release_lease(lease)
    before = await job_records(repository, lease.job_id, exclude_column="reported_vendor_id")
    assert (
        await api.send_callback(vendor, submission.callback_token, vendor.report_body(lease.job_id))
    ).status_code == 200
    assert await job_records(repository, lease.job_id, exclude_column="reported_vendor_id") == before
    assert services.prefect.resumed == []


@both_vendors
async def test_a_callback_naming_a_second_purchase_is_recorded(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    lease = await create_leased_job()
    submission = await create_accepted_submission(repository, lease, vendor)
    for _ in range(2):
        assert (
            await api.send_callback(vendor, submission.callback_token, vendor.report_body("another"))
        ).status_code == 200
    assert [event.kind for event in await repository.list_events(lease.job_id)].count("bought_twice") == 1
    assert services.prefect.resumed == []


@both_vendors
async def test_a_callback_for_an_old_attempt_is_ignored(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    lease = await create_leased_job()
    first = await create_sent_submission(repository, lease, vendor)
    await repository.record_outcome(lease, first, SubmissionState.REFUSED, error="no")
    second = (await repository.create_intent(lease, vendor.stage, lambda _: b"{}", provider=vendor.provider)).submission
    await repository.release_lease(lease)
    before = await job_records(repository, lease.job_id)
    assert (await api.send_callback(vendor, first.callback_token, vendor.report_body("42"))).status_code == 200
    assert await job_records(repository, lease.job_id) == before
    assert services.prefect.resumed == []
    await api.send_callback(vendor, second.callback_token, vendor.report_body("43"))
    assert await callback_vendor_ids(repository, lease.job_id) == ["43"]


@both_vendors
async def test_a_callback_does_not_restart_a_failed_job(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    api: CallbackClient,
    vendor: CallbackVendor,
) -> None:
    lease = await create_leased_job()
    submission = await create_sent_submission(repository, lease, vendor)
    await repository.fail(lease, "something else")
    await repository.release_lease(lease)
    await api.send_callback(vendor, submission.callback_token, vendor.report_body("42"))
    assert await callback_vendor_ids(repository, lease.job_id) == ["42"]
    assert (await repository.get_job(lease.job_id)).status == Status.FAILED
    assert services.prefect.resumed == []


async def test_a_sync_so_signature_is_valid_for_five_minutes(
    repository: JobRepository, create_leased_job: CreateLeasedJob, api: CallbackClient
) -> None:
    submission = await create_lost_submission(repository, await create_leased_job(), SYNC_SO)
    body = SYNC_SO.report_body("42")
    statuses = [
        (
            await api.send_callback(SYNC_SO, submission.callback_token, body, SYNC_SO.signature_headers(body, age=age))
        ).status_code
        for age in (3600, 310, -310)
    ]
    assert statuses == [403] * 3
    assert await callback_vendor_ids(repository, submission.job_id) == []
    assert (
        await api.send_callback(SYNC_SO, submission.callback_token, body, SYNC_SO.signature_headers(body, age=290))
    ).status_code == 200


async def test_sync_so_webhooks_need_a_secret_and_say_so_in_the_log(
    repository: JobRepository, create_leased_job: CreateLeasedJob, caplog: pytest.LogCaptureFixture
) -> None:
    submission = await create_lost_submission(repository, await create_leased_job(), SYNC_SO)
    services = FakeServices(repository, webhook_secret=None)
    body = SYNC_SO.report_body("42")
    for headers in (SYNC_SO.signature_headers(body), SYNC_SO.signature_headers(body, secret="")):
        answer = await CallbackClient(services).send_callback(SYNC_SO, submission.callback_token, body, headers)
        assert answer.status_code == 403
    assert "SYNC_SO_WEBHOOK_SECRET" in caplog.text
    assert await callback_vendor_ids(repository, submission.job_id) == []


async def test_callback_bodies_may_exceed_the_client_json_limit(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    services: FakeServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIDEOJOBS_API_MAX_JSON_BYTES", "2000")
    api = CallbackClient(services)
    submission = await create_lost_submission(repository, await create_leased_job(), SYNC_SO)
    inputs = [{"type": "audio", "url": f"https://example.com/{'x' * 2000}", "refId": f"a-{n}"} for n in range(200)]
    assert (
        await api.send_callback(SYNC_SO, submission.callback_token, SYNC_SO.report_body("42", input=inputs))
    ).status_code == 200


async def test_a_ghostcut_id_may_be_a_number(
    repository: JobRepository, create_leased_job: CreateLeasedJob, api: CallbackClient
) -> None:
    submission = await create_lost_submission(repository, await create_leased_job(), GHOSTCUT)
    await api.send_callback(GHOSTCUT, submission.callback_token, b'{"id": 42, "processStatus": 1}')
    assert await callback_vendor_ids(repository, submission.job_id) == ["42"]


@pytest.mark.parametrize(("vendor", "old_path"), [(SYNC_SO, "sync-so"), (GHOSTCUT, "ghostcut")])
async def test_callback_urls_of_earlier_versions_still_work(
    repository: JobRepository,
    create_leased_job: CreateLeasedJob,
    api: CallbackClient,
    vendor: CallbackVendor,
    old_path: str,
) -> None:
    submission = await create_lost_submission(repository, await create_leased_job(), vendor)
    body = vendor.report_body("42")
    url = f"/callbacks/{old_path}/{submission.callback_token}"
    answer = await api.http.post(url, content=body, headers=vendor.signature_headers(body))
    assert answer.status_code == 200
    assert await callback_vendor_ids(repository, submission.job_id) == ["42"]


async def test_a_callback_of_an_unknown_provider_is_not_found(api: CallbackClient) -> None:
    assert (await api.http.post(f"/callbacks/nobody/{'t' * 43}", content=b"{}")).status_code == 404


async def test_a_callback_token_is_valid_for_its_own_provider_only(
    repository: JobRepository, create_leased_job: CreateLeasedJob, api: CallbackClient
) -> None:
    submission = await create_lost_submission(repository, await create_leased_job(), SYNC_SO)
    answer = await api.send_callback(GHOSTCUT, submission.callback_token, GHOSTCUT.report_body("42"))
    assert answer.status_code == 404
