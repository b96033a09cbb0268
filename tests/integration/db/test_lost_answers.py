"""A lost response of a vendor without idempotency keys: adopted, sent again, queried again, or left to an operator."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text

from tasks.runtime import paid_call as paying
from tasks.runtime.job_run import JobRun
from tasks.runtime.paid_call import PaidCall, submit_idempotently, submit_paid
from tests.integration.db.conftest import CreateLeasedJob, make_request
from tests.integration.db.test_notifications import wait_until_listening
from tests.integration.db.test_submissions import FakeVendor, make_paid_call, submission_state
from videojobs.db import JobRepository, Lease, Submission, SubmissionState, get_engine
from videojobs.errors import (
    ConfigurationError,
    JobParked,
    LeaseLost,
    OutcomeStillUnknown,
    OutcomeUnknown,
    RetryableError,
    VendorRateLimited,
    VendorUnavailable,
)
from videojobs.providers.lookup import ACCEPTED_WITHOUT_ID, Accepted, Inconclusive, LookupResult, NotReceived
from videojobs.states import RecoveryPoint, Stage

PROOF = {"works_seen": 3}


@pytest.fixture
async def lease(repository: JobRepository, create_leased_job: CreateLeasedJob) -> Lease:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    return lease


class FakeSearch:
    """The lookup results of a vendor without idempotency keys, one per lookup; the last one repeats."""

    def __init__(self, *findings: LookupResult | Exception | Callable[[], Awaitable[LookupResult]]) -> None:
        self.findings = list(findings)
        self.calls = 0

    async def __call__(self, submission: Submission) -> LookupResult:
        self.calls += 1
        found = self.findings.pop(0) if len(self.findings) > 1 else self.findings[0]
        if isinstance(found, Exception):
            raise found
        return await found() if callable(found) else found


def paid_call(vendor: FakeVendor, search: FakeSearch) -> PaidCall:
    return replace(make_paid_call(vendor, replayable=False), find=search)


def lost_answer() -> OutcomeUnknown:
    return OutcomeUnknown("connection reset")


def too_early(seconds: float = 60) -> OutcomeStillUnknown:
    return OutcomeStillUnknown("too early to tell", retry_after=seconds)


def found_work(lease: Lease) -> Accepted:
    return Accepted(vendor_id=f"found-{lease.job_id}", answer={}, metadata={})


async def event_kinds(repository: JobRepository, lease: Lease) -> list[str]:
    told = ("intended", "unknown", "not_taken", "accepted", "parked")
    return [event.kind for event in await repository.list_events(lease.job_id) if event.kind in told]


async def run_sql(repository: JobRepository, statement: str, lease: Lease) -> None:
    async with get_engine(repository.database_url).begin() as connection:
        await connection.execute(text(statement), {"id": lease.job_id})


async def test_a_submission_proven_absent_is_resent_and_recorded(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(lost_answer(), "gen")
    buying = paid_call(vendor, FakeSearch(NotReceived(PROOF)))
    with pytest.raises(
        VendorUnavailable, match=r"GhostCut has not accepted the submission .*connection reset.*sending it again"
    ):
        await submit_idempotently(repository, lease, buying)
    assert await submission_state(repository, lease) == SubmissionState.WAITING
    await submit_idempotently(repository, lease, buying)
    [row] = await repository.list_submissions(lease.job_id)
    assert (row.state, row.error, len(vendor.sent)) == (SubmissionState.ACCEPTED, None, 2)
    assert vendor.sent[0] == vendor.sent[1]
    assert await event_kinds(repository, lease) == ["intended", "unknown", "not_taken", "intended", "accepted"]
    [proof] = [event.detail for event in await repository.list_events(lease.job_id) if event.kind == "not_taken"]
    assert proof is not None
    assert (proof["works_seen"], proof["submission"]) == (3, str(row.id))


async def test_the_next_run_sends_what_a_dead_run_only_intended(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor("gen")
    buying = paid_call(vendor, FakeSearch(NotReceived(PROOF)))
    await repository.create_intent(lease, buying.stage, buying.build_body, provider=buying.provider)
    with pytest.raises(RetryableError, match="a run died"):
        await submit_idempotently(repository, lease, buying)
    await submit_idempotently(repository, lease, buying)
    assert len(vendor.sent) == 1


async def test_an_api_key_refused_in_lookup_neither_parks_nor_resends(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(lost_answer(), "never")
    buying = paid_call(vendor, FakeSearch(ConfigurationError("401"), found_work(lease)))
    with pytest.raises(VendorUnavailable, match="did not report a status: 401"):
        await submit_idempotently(repository, lease, buying)
    assert await event_kinds(repository, lease) == ["intended", "unknown"]
    await submit_idempotently(repository, lease, buying)
    assert (await submission_state(repository, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_an_undecided_outcome_neither_parks_nor_resends(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(lost_answer(), "never")
    buying = paid_call(vendor, FakeSearch(too_early(), too_early(), found_work(lease)))
    for _ in range(2):
        with pytest.raises(OutcomeStillUnknown):
            await submit_idempotently(repository, lease, buying)
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN
    await submit_idempotently(repository, lease, buying)
    assert await submission_state(repository, lease) == SubmissionState.ACCEPTED
    assert len(vendor.sent) == 1
    assert (await repository.get_job(lease.job_id)).parked_reason is None


async def test_an_unreachable_vendor_is_queried_again_later(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(lost_answer(), "never")
    buying = paid_call(vendor, FakeSearch(VendorUnavailable("503"), found_work(lease)))
    with pytest.raises(VendorUnavailable, match="503"):
        await submit_idempotently(repository, lease, buying)
    await submit_idempotently(repository, lease, buying)
    assert (await submission_state(repository, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_without_proof_the_operator_reads_why(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(lost_answer(), "never")
    with pytest.raises(JobParked, match="connection reset; it lists no links"):
        await submit_idempotently(repository, lease, paid_call(vendor, FakeSearch(Inconclusive("it lists no links"))))
    assert "GhostCut dashboard" in str((await repository.get_job(lease.job_id)).parked_reason)
    assert (await submission_state(repository, lease), len(vendor.sent)) == (SubmissionState.UNKNOWN, 1)


async def test_a_callback_during_the_lookup_prevents_a_resend(repository: JobRepository, lease: Lease) -> None:
    async def record_callback_first() -> LookupResult:
        [row] = await repository.list_submissions(lease.job_id)
        await repository.record_callback(row, "work-1")
        return NotReceived(PROOF)

    vendor = FakeVendor(lost_answer(), "never")
    buying = paid_call(vendor, FakeSearch(record_callback_first, found_work(lease)))
    with pytest.raises(RetryableError, match="changed while the vendor was queried"):
        await submit_idempotently(repository, lease, buying)
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN
    await submit_idempotently(repository, lease, buying)
    assert (await submission_state(repository, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_a_callback_after_the_lookup_prevents_a_resend(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(lost_answer(), "never")
    buying = paid_call(vendor, FakeSearch(NotReceived(PROOF), found_work(lease)))
    with pytest.raises(VendorUnavailable):
        await submit_idempotently(repository, lease, buying)
    await repository.record_callback((await repository.list_submissions(lease.job_id))[0], "work-1")
    await submit_idempotently(repository, lease, buying)
    assert (await submission_state(repository, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_a_run_without_its_lease_cannot_mark_not_accepted(repository: JobRepository, lease: Lease) -> None:
    async def lose_lease_first() -> LookupResult:
        await repository.release_lease(lease)
        await repository.acquire_lease(Lease(lease.job_id, "another run/1"), 60)
        return NotReceived(PROOF)

    with pytest.raises(LeaseLost):
        await submit_idempotently(repository, lease, paid_call(FakeVendor(lost_answer()), FakeSearch(lose_lease_first)))
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN


async def test_an_acceptance_during_the_lookup_is_kept(repository: JobRepository, lease: Lease) -> None:
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="ghostcut")
    asked_about = intent.submission
    await repository.record_accepted(
        lease, asked_about, RecoveryPoint.LIP_SYNC_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={}
    )
    with pytest.raises(RetryableError):
        await repository.record_not_accepted(lease, asked_about, "nothing", PROOF)
    assert await submission_state(repository, lease) == SubmissionState.ACCEPTED


async def test_the_settling_time_starts_at_the_last_possible_send(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(VendorUnavailable("connection refused"), lost_answer())
    buying = paid_call(vendor, FakeSearch(too_early()))
    with pytest.raises(VendorUnavailable):
        await submit_idempotently(repository, lease, buying)
    await run_sql(
        repository, "UPDATE video_submissions SET intended_at = now() - interval '1 hour' WHERE job_id = :id", lease
    )
    with pytest.raises(OutcomeStillUnknown):
        await submit_idempotently(repository, lease, buying)
    [row] = await repository.list_submissions(lease.job_id)
    assert await repository.submission_age(row) < timedelta(minutes=1)


@pytest.mark.parametrize("replayable", [True, False])
@pytest.mark.parametrize(("hours", "renewed"), [([11], False), ([13], True), ([5, 5, 5], True)], ids=str)
async def test_a_request_with_expiring_links_is_not_sent(
    repository: JobRepository, lease: Lease, hours: list[int], renewed: bool, replayable: bool
) -> None:
    """However often the vendor asks to wait in the meantime."""
    vendor = FakeVendor(*[VendorRateLimited("wait") for _ in hours], "gen")
    buying = replace(make_paid_call(vendor, replayable=replayable), body_max_age=timedelta(hours=12))
    for passed in hours:
        with pytest.raises(VendorRateLimited):
            await submit_idempotently(repository, lease, buying)
        for moment in ("intended_at", "body_written_at"):
            older = f"UPDATE video_submissions SET {moment} = {moment} - interval '{passed} hours' WHERE job_id = :id"  # noqa: S608
            await run_sql(repository, older, lease)
    await submit_idempotently(repository, lease, buying)
    assert len({key for key, _ in vendor.sent}) == len({body for _, body in vendor.sent}) == (2 if renewed else 1)
    states = [row.state for row in await repository.list_submissions(lease.job_id)]
    assert states == (["refused"] if renewed else []) + ["accepted"]


async def test_a_callback_prevents_a_late_second_send(
    repository: JobRepository, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first callback came late, when a second submission was about to be sent."""
    intend = repository.create_intent

    async def record_callback_first(*args: Any, **more: Any) -> Any:
        intent = await intend(*args, **more)
        await repository.record_callback(intent.submission, f"work-{lease.job_id}")
        return intent

    monkeypatch.setattr(repository, "create_intent", record_callback_first)
    vendor = FakeVendor("never")
    with pytest.raises(RetryableError):
        await submit_idempotently(repository, lease, paid_call(vendor, FakeSearch(too_early())))
    assert vendor.sent == []


@pytest.mark.parametrize("outcome", [SubmissionState.WAITING, SubmissionState.REFUSED, SubmissionState.UNKNOWN])
async def test_an_earlier_attempts_outcome_does_not_settle_a_later_one(
    repository: JobRepository, lease: Lease, outcome: SubmissionState
) -> None:
    buying = paid_call(FakeVendor(), FakeSearch(too_early()))
    earlier = (
        await repository.create_intent(lease, buying.stage, buying.build_body, provider=buying.provider)
    ).submission
    await repository.record_not_accepted(lease, earlier, "not taken", PROOF)
    assert (await repository.create_intent(lease, buying.stage, buying.build_body, provider=buying.provider)).unsent
    await repository.record_outcome(lease, earlier, outcome, error="late")
    assert await submission_state(repository, lease) == SubmissionState.INTENDED
    assert [event.kind for event in await repository.list_events(lease.job_id)][-1] == "late_outcome"


async def test_an_unavoidable_second_purchase_is_reported_once(repository: JobRepository, lease: Lease) -> None:
    buying = paid_call(FakeVendor(), FakeSearch(too_early()))
    submission = (
        await repository.create_intent(lease, buying.stage, buying.build_body, provider=buying.provider)
    ).submission
    for name in ("one", "two", "two"):
        vendor_id = f"{name}-{lease.job_id}"
        await repository.record_accepted(
            lease, submission, buying.next_point, vendor_id=vendor_id, answer={}, metadata={}
        )
    await repository.record_callback(submission, f"three-{lease.job_id}")
    twice = [event.detail or {} for event in await repository.list_events(lease.job_id) if event.kind == "bought_twice"]
    assert [detail["other"] for detail in twice] == [f"two-{lease.job_id}", f"three-{lease.job_id}"]


async def test_an_acceptance_without_an_id_is_recorded(repository: JobRepository, lease: Lease) -> None:
    buying = paid_call(FakeVendor(OutcomeUnknown("accepted", accepted=True)), FakeSearch(too_early()))
    with pytest.raises(OutcomeStillUnknown):
        await submit_idempotently(repository, lease, buying)
    [row] = await repository.list_submissions(lease.job_id)
    assert row.vendor_answer == ACCEPTED_WITHOUT_ID


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE video_submissions SET intended_at = intended_at - interval '61 seconds' WHERE job_id = :id",
        "UPDATE video_submissions SET state = 'waiting' WHERE job_id = :id",
        "UPDATE video_submissions SET intended_at = intended_at + interval '700 seconds' WHERE job_id = :id",
    ],
    ids=["for longer than a minute", "until it was found not taken", "until it was sent again"],
)
async def test_a_run_stalled_after_its_intent_does_not_send(
    repository: JobRepository, lease: Lease, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    intend = repository.create_intent

    async def stall(*args: Any, **more: Any) -> Any:
        intent = await intend(*args, **more)
        await run_sql(repository, meanwhile, lease)
        return intent

    monkeypatch.setattr(repository, "create_intent", stall)
    vendor = FakeVendor("never")
    with pytest.raises(RetryableError, match="stalled"):
        await submit_idempotently(repository, lease, paid_call(vendor, FakeSearch(too_early())))
    assert vendor.sent == []


async def record_other_purchase(
    repository: JobRepository, vendor_id: str, *, connections: dict[str, str], age: str
) -> None:
    lease = Lease(f"other-{vendor_id}", "run-2/1")
    await repository.create(lease.job_id, make_request(), actor="test", connections=connections)
    await repository.acquire_lease(lease, 60)
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    buying = make_paid_call(FakeVendor(), replayable=False)
    intent = await repository.create_intent(lease, buying.stage, buying.build_body, provider=buying.provider)
    await repository.record_accepted(
        lease, intent.submission, buying.next_point, vendor_id=vendor_id, answer={}, metadata={}
    )
    at = f"UPDATE video_submissions SET accepted_at = now() - interval '{age}' WHERE job_id = :id"  # noqa: S608
    await run_sql(repository, at, lease)


async def create_ghostcut_intent(repository: JobRepository, job_id: str, connections: dict[str, str]) -> Submission:
    await repository.create(job_id, make_request(), actor="test", connections=connections)
    lease = Lease(job_id, "run-1/1")
    await repository.acquire_lease(lease, 60)
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="ghostcut")
    return intent.submission


async def test_the_database_lists_an_accounts_confirmed_purchases(repository: JobRepository, job_id: str) -> None:
    ours = {"ghostcut": f"block-{job_id}"}
    await record_other_purchase(repository, f"an-hour-ago-{job_id}", connections=ours, age="1 hour")
    await record_other_purchase(repository, f"just-now-{job_id}", connections=ours, age="1 second")
    await record_other_purchase(repository, f"last-week-{job_id}", connections=ours, age="7 days")
    await record_other_purchase(repository, f"elsewhere-{job_id}", connections={"ghostcut": "another"}, age="1 hour")
    submission = await create_ghostcut_intent(repository, job_id, ours)
    taken = await repository.accepted_ids_around(submission, timedelta(days=1), timedelta(minutes=10))
    assert taken == {f"an-hour-ago-{job_id}"}


@pytest.mark.parametrize(
    "more",
    [{"acme": "acme"}, {"storage": "another-bucket"}, {"sync_so": "another-account"}],
    ids=["provider installed since", "another bucket", "another account of another vendor"],
)
async def test_an_account_is_the_block_of_its_provider_only(
    repository: JobRepository, job_id: str, more: dict[str, str]
) -> None:
    """Else an empty list would prove that a lost submission was never accepted, and it would be paid for again."""
    ours = {"ghostcut": f"block-{job_id}"}
    await record_other_purchase(repository, f"before-{job_id}", connections={**ours, **more}, age="1 hour")
    taken = await repository.accepted_ids_around(
        await create_ghostcut_intent(repository, job_id, ours), timedelta(days=1), timedelta(minutes=10)
    )
    assert taken == {f"before-{job_id}"}


async def test_a_job_that_names_no_block_uses_the_default(repository: JobRepository, job_id: str) -> None:
    await record_other_purchase(repository, f"default-{job_id}", connections={}, age="1 hour")
    taken = await repository.accepted_ids_around(
        await create_ghostcut_intent(repository, job_id, {"ghostcut": "ghostcut"}),
        timedelta(days=1),
        timedelta(minutes=10),
    )
    assert f"default-{job_id}" in taken


# ---- a run that waits until the outcome is known ---------------------------------------------------------


@pytest.fixture
def run_attempts(repository: JobRepository, lease: Lease, monkeypatch: pytest.MonkeyPatch) -> JobRun:
    async def retry() -> JobRepository:
        return JobRepository(get_engine(repository.database_url))  # each event loop has its own engine

    monkeypatch.setattr(paying, "get_run_logger", lambda: logging.getLogger("test"))
    connections = SimpleNamespace(repository=retry)
    return cast(JobRun, SimpleNamespace(lease=lease, job_id=lease.job_id, connections=connections))


async def test_waiting_for_an_outcome_uses_up_no_retries(
    run_attempts: JobRun, repository: JobRepository, lease: Lease
) -> None:
    vendor, search = FakeVendor(lost_answer(), "never"), FakeSearch(*[too_early(0.001)] * 100, found_work(lease))
    await submit_paid(run_attempts, paid_call(vendor, search))
    assert (search.calls, len(vendor.sent)) == (101, 1)
    assert await submission_state(repository, lease) == SubmissionState.ACCEPTED


async def test_a_callback_wakes_a_run_waiting_for_an_outcome(
    run_attempts: JobRun, repository: JobRepository, lease: Lease
) -> None:
    vendor, search = FakeVendor(lost_answer(), "never"), FakeSearch(too_early(3600), too_early(3600), found_work(lease))
    buying = asyncio.create_task(submit_paid(run_attempts, paid_call(vendor, search)))
    async with asyncio.timeout(20):
        await wait_until_listening(repository)
        while search.calls < 2:  # noqa: ASYNC110  # set in another event loop: at once, and when it listens
            await asyncio.sleep(0.01)
        await repository.record_callback((await repository.list_submissions(lease.job_id))[0], "work-1")
        await buying
    assert (await submission_state(repository, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_a_run_waiting_for_an_outcome_can_be_cancelled(
    run_attempts: JobRun, repository: JobRepository, lease: Lease
) -> None:
    search = FakeSearch(too_early(3600))
    buying = asyncio.create_task(submit_paid(run_attempts, paid_call(FakeVendor(lost_answer()), search)))
    async with asyncio.timeout(20):
        while not search.calls:  # noqa: ASYNC110  # in another event loop
            await asyncio.sleep(0.01)
        buying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await buying
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN
