"""Both vendors' callbacks on a real ledger: whenever they come, and however often, they change nothing wrongly."""

import asyncio

import pytest

from tests.gateway.vendors import GHOSTCUT, SYNC_SO, VENDORS, Caller, OnTheLedger, Vendor, books, submitted
from tests.ledger.conftest import Opened
from tests.ledger.test_bell import up
from videojobs.ledger import Lease, Ledger, Submission, SubmissionState
from videojobs.states import Point, Status

both = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


@pytest.fixture
def backing(ledger: Ledger) -> OnTheLedger:
    return OnTheLedger(ledger)


@pytest.fixture
def door(backing: OnTheLedger) -> Caller:
    return Caller(backing)


async def lost(ledger: Ledger, lease: Lease, vendor: Vendor) -> Submission:
    """Its answer is lost, and the job waits for an operator."""
    submission = await submitted(ledger, lease, vendor)
    await ledger.settle(lease, submission, SubmissionState.UNKNOWN, error="connection reset")
    await ledger.park(lease, "nobody knows", doubt=submission)
    await ledger.release(lease)
    return submission


async def accepted(ledger: Ledger, lease: Lease, vendor: Vendor) -> Submission:
    submission = await submitted(ledger, lease, vendor)
    await ledger.accept(lease, submission, vendor.submitted, vendor_id=lease.job_id, answer={}, metadata={})
    return submission


async def heard_of(ledger: Ledger, job_id: str) -> list[object]:
    """What callbacks have named."""
    return [
        event.detail and event.detail["candidate"] for event in await ledger.events(job_id) if event.kind == "heard_of"
    ]


@both
async def test_one_that_comes_during_the_submit_call_is_noted_and_starts_no_second_run(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    submission = await submitted(ledger, lease, vendor)
    answer = await door.call(vendor, submission.callback_token, vendor.body("42"))
    assert (answer.status_code, answer.content) == (200, b"heard\n")
    assert await heard_of(ledger, lease.job_id) == ["42"]
    assert backing.prefect.went_on == []
    assert (await ledger.job(lease.job_id)).point is vendor.before[-1]
    await ledger.accept(lease, submission, vendor.submitted, vendor_id=lease.job_id, answer={}, metadata={})
    assert (await ledger.job(lease.job_id)).point is vendor.submitted


@both
async def test_one_for_a_lost_answer_takes_the_parked_job_up_again_and_its_repeats_ask_for_the_same_run(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    submission = await lost(ledger, await opened(), vendor)
    body = vendor.body("42")
    delivery = vendor.signed(body)
    answers = await asyncio.gather(*(door.call(vendor, submission.callback_token, body, delivery) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    job = await ledger.job(submission.job_id)
    assert job.parked_reason is None
    assert set(backing.prefect.went_on) == {(job.id, job.updated_at)}, "the run's idempotency key is made of these two"
    assert await heard_of(ledger, job.id) == ["42"]


@both
async def test_one_for_a_job_whose_run_died_in_the_call_starts_a_run(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    submission = await submitted(ledger, lease, vendor)
    await ledger.release(lease, in_order=False)
    await door.call(vendor, submission.callback_token, vendor.body("42"))
    assert [job_id for job_id, _ in backing.prefect.went_on] == [lease.job_id]


@both
async def test_one_for_what_was_thought_not_to_be_taken_keeps_it_from_being_sent_as_new(
    ledger: Ledger, opened: Opened, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    submission = await submitted(ledger, lease, vendor)
    await ledger.settle(lease, submission, SubmissionState.WAITING, error="429")
    await door.call(vendor, submission.callback_token, vendor.body("42"))
    intent = await ledger.intend(lease, vendor.stage, lambda _: b"other bytes")
    assert (intent.fresh, intent.submission.id, intent.submission.request_body) == (False, submission.id, b"{}")


@both
async def test_one_for_a_submission_that_a_run_waits_for_wakes_it_and_is_noted_and_no_more(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    submission = await accepted(ledger, lease, vendor)
    before = await books(ledger, lease.job_id, but="candidate_id")
    woken = asyncio.Event()
    with ledger.bell.heard_by(lease.job_id, woken.set):
        await up(ledger)
        woken.clear()
        await door.call(vendor, submission.callback_token, vendor.body(lease.job_id))
        async with asyncio.timeout(5):
            await woken.wait()
    assert await books(ledger, lease.job_id, but="candidate_id") == before
    assert backing.prefect.went_on == []


@both
async def test_repeats_with_another_link_or_another_end_are_never_taken_at_their_word(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    """Out of order, too: the end, then a report that is older."""
    lease = await opened()
    submission = await accepted(ledger, lease, vendor)
    before = await books(ledger, lease.job_id, but="candidate_id")
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
        answer = await door.call(vendor, submission.callback_token, vendor.body(lease.job_id, **story))
        assert answer.status_code == 200
    assert await books(ledger, lease.job_id, but="candidate_id") == before
    assert backing.prefect.went_on == []


@both
@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_one_that_comes_after_the_end_is_taken_and_changes_nothing(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor, end: str
) -> None:
    lease = await opened()
    submission = await accepted(ledger, lease, vendor)
    if end == "completed":
        for point in (Point.LIP_SYNC_STORED, Point.TEXT_REMOVAL_SUBMITTED, Point.TEXT_REMOVAL_STORED):
            await ledger.advance(lease, point)
        await ledger.finish(lease, "s3://bucket/result.mp4")
    elif end == "failed":
        await ledger.settle(lease, submission, SubmissionState.FAILED, error="it did not work")
        await ledger.fail(lease, "it did not work")
    else:
        await ledger.cancel(lease.job_id, lease.run_id, "stopped", actor="test")
    await ledger.release(lease)
    before = await books(ledger, lease.job_id, but="candidate_id")
    assert (await door.call(vendor, submission.callback_token, vendor.body(lease.job_id))).status_code == 200
    assert await books(ledger, lease.job_id, but="candidate_id") == before
    assert backing.prefect.went_on == []


@both
async def test_one_that_names_a_second_purchase_is_told_of_and_starts_nothing(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    submission = await accepted(ledger, lease, vendor)
    for _ in range(2):
        assert (await door.call(vendor, submission.callback_token, vendor.body("another"))).status_code == 200
    assert [event.kind for event in await ledger.events(lease.job_id)].count("bought_twice") == 1
    assert backing.prefect.went_on == []


@both
async def test_one_for_an_attempt_that_was_given_up_says_nothing_about_the_attempt_after_it(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    first = await submitted(ledger, lease, vendor)
    await ledger.settle(lease, first, SubmissionState.REFUSED, error="no")
    second = (await ledger.intend(lease, vendor.stage, lambda _: b"{}")).submission
    await ledger.release(lease)
    before = await books(ledger, lease.job_id)
    assert (await door.call(vendor, first.callback_token, vendor.body("42"))).status_code == 200
    assert await books(ledger, lease.job_id) == before
    assert backing.prefect.went_on == []
    await door.call(vendor, second.callback_token, vendor.body("43"))
    assert await heard_of(ledger, lease.job_id) == ["43"]


@both
async def test_a_job_that_failed_for_another_reason_keeps_the_note_and_is_not_started(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, door: Caller, vendor: Vendor
) -> None:
    lease = await opened()
    submission = await submitted(ledger, lease, vendor)
    await ledger.fail(lease, "something else")
    await ledger.release(lease)
    await door.call(vendor, submission.callback_token, vendor.body("42"))
    assert await heard_of(ledger, lease.job_id) == ["42"]
    assert (await ledger.job(lease.job_id)).status == Status.FAILED
    assert backing.prefect.went_on == []


async def test_a_delivery_of_sync_so_is_good_for_five_minutes_and_a_clock_may_be_wrong_by_as_much(
    ledger: Ledger, opened: Opened, door: Caller
) -> None:
    submission = await lost(ledger, await opened(), SYNC_SO)
    body = SYNC_SO.body("42")
    statuses = [
        (await door.call(SYNC_SO, submission.callback_token, body, SYNC_SO.signed(body, age=age))).status_code
        for age in (3600, 310, -310)
    ]
    assert statuses == [403] * 3
    assert await heard_of(ledger, submission.job_id) == []
    assert (await door.call(SYNC_SO, submission.callback_token, body, SYNC_SO.signed(body, age=290))).status_code == 200


async def test_without_a_webhook_secret_nothing_of_sync_so_is_believed_and_the_operator_is_told_why(
    ledger: Ledger, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    submission = await lost(ledger, await opened(), SYNC_SO)
    backing = OnTheLedger(ledger, webhook_secret=None)
    body = SYNC_SO.body("42")
    for headers in (SYNC_SO.signed(body), SYNC_SO.signed(body, secret="")):
        answer = await Caller(backing).call(SYNC_SO, submission.callback_token, body, headers)
        assert answer.status_code == 403
    assert "SYNC_SO_WEBHOOK_SECRET" in caplog.text
    assert await heard_of(ledger, submission.job_id) == []


async def test_a_generation_of_many_inputs_may_be_told_of_at_length_whatever_clients_may_send(
    ledger: Ledger, opened: Opened, backing: OnTheLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_JSON_BYTES", "2000")
    door = Caller(backing)
    submission = await lost(ledger, await opened(), SYNC_SO)
    inputs = [{"type": "audio", "url": f"https://example.com/{'x' * 2000}", "refId": f"a-{n}"} for n in range(200)]
    assert (await door.call(SYNC_SO, submission.callback_token, SYNC_SO.body("42", input=inputs))).status_code == 200


async def test_ghostcuts_id_may_be_a_number(ledger: Ledger, opened: Opened, door: Caller) -> None:
    submission = await lost(ledger, await opened(), GHOSTCUT)
    await door.call(GHOSTCUT, submission.callback_token, b'{"id": 42, "processStatus": 1}')
    assert await heard_of(ledger, submission.job_id) == ["42"]
