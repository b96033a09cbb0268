"""A lost answer of a vendor without keys: adopted, sent again, asked about again, or an operator's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text

from tasks import submission as paying
from tasks.run import JobRun
from tasks.submission import Accepted, Finding, NoProof, NotTaken, PaidCall, buy, submit_once
from tests.ledger.conftest import Opened, a_request
from tests.ledger.test_bell import up
from tests.ledger.test_submission import Vendor, a_call, state_of
from videojobs.errors import (
    ConfigurationError,
    JobParked,
    LeaseLost,
    OutcomeUnknown,
    Retryable,
    StillInDoubt,
    VendorThrottled,
    VendorUnavailable,
)
from videojobs.ledger import Lease, Ledger, Submission, SubmissionState, engine_for
from videojobs.states import Point

SEEN = {"works_seen": 3}


@pytest.fixture
async def lease(ledger: Ledger, opened: Opened) -> Lease:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    return lease


class Search:
    """What a vendor without keys shows of a submission, look by look; the last one again and again."""

    def __init__(self, *findings: Finding | Exception | Callable[[], Awaitable[Finding]]) -> None:
        self.findings = list(findings)
        self.looks = 0

    async def __call__(self, submission: Submission) -> Finding:
        self.looks += 1
        found = self.findings.pop(0) if len(self.findings) > 1 else self.findings[0]
        if isinstance(found, Exception):
            raise found
        return await found() if callable(found) else found


def call(vendor: Vendor, search: Search) -> PaidCall:
    return replace(a_call(vendor, replayable=False), find=search)


def lost() -> OutcomeUnknown:
    return OutcomeUnknown("connection reset")


def early(seconds: float = 60) -> StillInDoubt:
    return StillInDoubt("too early to tell", retry_after=seconds)


def shown(lease: Lease) -> Accepted:
    return Accepted(vendor_id=f"found-{lease.job_id}", answer={}, metadata={})


async def kinds(ledger: Ledger, lease: Lease) -> list[str]:
    told = ("intended", "unknown", "not_taken", "accepted", "parked")
    return [event.kind for event in await ledger.events(lease.job_id) if event.kind in told]


async def sql(ledger: Ledger, statement: str, lease: Lease) -> None:
    async with engine_for(ledger.address).begin() as connection:
        await connection.execute(text(statement), {"id": lease.job_id})


async def test_what_was_surely_not_taken_is_sent_again_and_the_events_tell_by_what_that_was_known(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(lost(), "gen")
    buying = call(vendor, Search(NotTaken(SEEN)))
    with pytest.raises(
        VendorUnavailable, match=r"GhostCut has not taken the submission .*connection reset.*sent again"
    ):
        await submit_once(ledger, lease, buying)
    assert await state_of(ledger, lease) == SubmissionState.WAITING
    await submit_once(ledger, lease, buying)
    [row] = await ledger.submissions(lease.job_id)
    assert (row.state, row.error, len(vendor.sent)) == (SubmissionState.ACCEPTED, None, 2)
    assert vendor.sent[0] == vendor.sent[1]
    assert await kinds(ledger, lease) == ["intended", "unknown", "not_taken", "intended", "accepted"]
    [proof] = [event.detail for event in await ledger.events(lease.job_id) if event.kind == "not_taken"]
    assert proof is not None
    assert (proof["works_seen"], proof["submission"]) == (3, str(row.id))


async def test_a_run_that_died_before_the_call_is_followed_by_one_that_sends_it(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor("gen")
    buying = call(vendor, Search(NotTaken(SEEN)))
    await ledger.intend(lease, buying.stage, buying.body)
    with pytest.raises(Retryable, match="a run died"):
        await submit_once(ledger, lease, buying)
    await submit_once(ledger, lease, buying)
    assert len(vendor.sent) == 1


async def test_a_key_that_is_refused_while_it_is_looked_for_neither_parks_the_job_nor_sends_it_again(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(lost(), "never")
    buying = call(vendor, Search(ConfigurationError("401"), shown(lease)))
    with pytest.raises(VendorUnavailable, match="gives no answer: 401"):
        await submit_once(ledger, lease, buying)
    assert await kinds(ledger, lease) == ["intended", "unknown"]
    await submit_once(ledger, lease, buying)
    assert (await state_of(ledger, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_what_is_not_known_yet_is_neither_parked_nor_sent_again(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor(lost(), "never")
    buying = call(vendor, Search(early(), early(), shown(lease)))
    for _ in range(2):
        with pytest.raises(StillInDoubt):
            await submit_once(ledger, lease, buying)
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN
    await submit_once(ledger, lease, buying)
    assert await state_of(ledger, lease) == SubmissionState.ACCEPTED
    assert len(vendor.sent) == 1
    assert (await ledger.job(lease.job_id)).parked_reason is None


async def test_a_vendor_that_cannot_be_asked_is_asked_again_later(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor(lost(), "never")
    buying = call(vendor, Search(VendorUnavailable("503"), shown(lease)))
    with pytest.raises(VendorUnavailable, match="503"):
        await submit_once(ledger, lease, buying)
    await submit_once(ledger, lease, buying)
    assert (await state_of(ledger, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_where_nothing_is_proven_the_operator_reads_why(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor(lost(), "never")
    with pytest.raises(JobParked, match="connection reset; it lists no links"):
        await submit_once(ledger, lease, call(vendor, Search(NoProof("it lists no links"))))
    assert "GhostCut dashboard" in str((await ledger.job(lease.job_id)).parked_reason)
    assert (await state_of(ledger, lease), len(vendor.sent)) == (SubmissionState.UNKNOWN, 1)


async def test_a_callback_that_comes_during_the_look_keeps_it_from_being_sent_again(
    ledger: Ledger, lease: Lease
) -> None:
    async def named_meanwhile() -> Finding:
        [row] = await ledger.submissions(lease.job_id)
        await ledger.hear(row, "work-1")
        return NotTaken(SEEN)

    vendor = Vendor(lost(), "never")
    buying = call(vendor, Search(named_meanwhile, shown(lease)))
    with pytest.raises(Retryable, match="something was heard"):
        await submit_once(ledger, lease, buying)
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN
    await submit_once(ledger, lease, buying)
    assert (await state_of(ledger, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_a_callback_that_comes_after_the_look_keeps_it_from_being_sent_again(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(lost(), "never")
    buying = call(vendor, Search(NotTaken(SEEN), shown(lease)))
    with pytest.raises(VendorUnavailable):
        await submit_once(ledger, lease, buying)
    await ledger.hear((await ledger.submissions(lease.job_id))[0], "work-1")
    await submit_once(ledger, lease, buying)
    assert (await state_of(ledger, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_a_run_that_has_lost_its_lease_frees_nothing(ledger: Ledger, lease: Lease) -> None:
    async def taken_over() -> Finding:
        await ledger.release(lease)
        await ledger.claim(Lease(lease.job_id, "another run/1"), 60)
        return NotTaken(SEEN)

    with pytest.raises(LeaseLost):
        await submit_once(ledger, lease, call(Vendor(lost()), Search(taken_over)))
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN


async def test_what_was_accepted_meanwhile_is_not_freed(ledger: Ledger, lease: Lease) -> None:
    intent = await ledger.intend(lease, a_call(Vendor(), replayable=False).stage, lambda _: b"{}")
    asked_about = intent.submission
    await ledger.accept(lease, asked_about, Point.LIP_SYNC_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={})
    with pytest.raises(Retryable):
        await ledger.not_taken(lease, asked_about, "nothing", SEEN)
    assert await state_of(ledger, lease) == SubmissionState.ACCEPTED


async def test_the_settling_time_counts_from_the_last_time_it_may_have_been_sent(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor(VendorUnavailable("connection refused"), lost())
    buying = call(vendor, Search(early()))
    with pytest.raises(VendorUnavailable):
        await submit_once(ledger, lease, buying)
    await sql(ledger, "UPDATE video_submissions SET intended_at = now() - interval '1 hour' WHERE job_id = :id", lease)
    with pytest.raises(StillInDoubt):
        await submit_once(ledger, lease, buying)
    [row] = await ledger.submissions(lease.job_id)
    assert await ledger.waited_for(row) < timedelta(minutes=1)


@pytest.mark.parametrize("replayable", [True, False])
@pytest.mark.parametrize(("hours", "renewed"), [([11], False), ([13], True), ([5, 5, 5], True)], ids=str)
async def test_bytes_whose_links_are_about_to_end_are_never_sent_for_the_first_time(
    ledger: Ledger, lease: Lease, hours: list[int], renewed: bool, replayable: bool
) -> None:
    """However often the vendor asked to wait meanwhile."""
    vendor = Vendor(*[VendorThrottled("wait") for _ in hours], "gen")
    buying = replace(a_call(vendor, replayable=replayable), same_bytes_for=timedelta(hours=12))
    for passed in hours:
        with pytest.raises(VendorThrottled):
            await submit_once(ledger, lease, buying)
        for moment in ("intended_at", "body_written_at"):
            older = f"UPDATE video_submissions SET {moment} = {moment} - interval '{passed} hours' WHERE job_id = :id"  # noqa: S608
            await sql(ledger, older, lease)
    await submit_once(ledger, lease, buying)
    assert len({key for key, _ in vendor.sent}) == len({body for _, body in vendor.sent}) == (2 if renewed else 1)
    states = [row.state for row in await ledger.submissions(lease.job_id)]
    assert states == (["refused"] if renewed else []) + ["accepted"]


async def test_a_try_that_a_callback_has_overtaken_is_not_made(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one came late, and another was about to be sent."""
    intend = ledger.intend

    async def overtaken(*args: Any, **more: Any) -> Any:
        intent = await intend(*args, **more)
        await ledger.hear(intent.submission, f"work-{lease.job_id}")
        return intent

    monkeypatch.setattr(ledger, "intend", overtaken)
    vendor = Vendor("never")
    with pytest.raises(Retryable):
        await submit_once(ledger, lease, call(vendor, Search(early())))
    assert vendor.sent == []


@pytest.mark.parametrize("outcome", [SubmissionState.WAITING, SubmissionState.REFUSED, SubmissionState.UNKNOWN])
async def test_what_became_of_an_earlier_try_says_nothing_about_a_later_one(
    ledger: Ledger, lease: Lease, outcome: SubmissionState
) -> None:
    buying = call(Vendor(), Search(early()))
    earlier = (await ledger.intend(lease, buying.stage, buying.body)).submission
    await ledger.not_taken(lease, earlier, "not taken", SEEN)
    assert (await ledger.intend(lease, buying.stage, buying.body)).fresh
    await ledger.settle(lease, earlier, outcome, error="late")
    assert await state_of(ledger, lease) == SubmissionState.INTENDED
    assert [event.kind for event in await ledger.events(lease.job_id)][-1] == "late_outcome"


async def test_a_second_purchase_that_nobody_could_prevent_is_told_once(ledger: Ledger, lease: Lease) -> None:
    buying = call(Vendor(), Search(early()))
    submission = (await ledger.intend(lease, buying.stage, buying.body)).submission
    for name in ("one", "two", "two"):
        vendor_id = f"{name}-{lease.job_id}"
        await ledger.accept(lease, submission, buying.to, vendor_id=vendor_id, answer={}, metadata={})
    await ledger.hear(submission, f"three-{lease.job_id}")
    twice = [event.detail or {} for event in await ledger.events(lease.job_id) if event.kind == "bought_twice"]
    assert [detail["other"] for detail in twice] == [f"two-{lease.job_id}", f"three-{lease.job_id}"]


async def test_an_answer_that_says_accepted_and_no_more_is_kept_as_such(ledger: Ledger, lease: Lease) -> None:
    buying = call(Vendor(OutcomeUnknown("accepted", taken=True)), Search(early()))
    with pytest.raises(StillInDoubt):
        await submit_once(ledger, lease, buying)
    [row] = await ledger.submissions(lease.job_id)
    assert row.vendor_answer == paying.TAKEN


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE video_submissions SET intended_at = intended_at - interval '61 seconds' WHERE job_id = :id",
        "UPDATE video_submissions SET state = 'waiting' WHERE job_id = :id",
        "UPDATE video_submissions SET intended_at = intended_at + interval '700 seconds' WHERE job_id = :id",
    ],
    ids=["for longer than a minute", "until it was found not taken", "until it was sent again"],
)
async def test_a_run_that_stood_still_between_intent_and_call_does_not_call_any_more(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    intend = ledger.intend

    async def slowly(*args: Any, **more: Any) -> Any:
        intent = await intend(*args, **more)
        await sql(ledger, meanwhile, lease)
        return intent

    monkeypatch.setattr(ledger, "intend", slowly)
    vendor = Vendor("never")
    with pytest.raises(Retryable, match="stood still"):
        await submit_once(ledger, lease, call(vendor, Search(early())))
    assert vendor.sent == []


async def taken_by_another_job(ledger: Ledger, vendor_id: str, *, connections: dict[str, str], ago: str) -> None:
    lease = Lease(f"other-{vendor_id}", "run-2/1")
    await ledger.open(lease.job_id, a_request(), actor="test", connections=connections)
    await ledger.claim(lease, 60)
    await ledger.advance(lease, Point.UPLOADED)
    buying = a_call(Vendor(), replayable=False)
    intent = await ledger.intend(lease, buying.stage, buying.body)
    await ledger.accept(lease, intent.submission, buying.to, vendor_id=vendor_id, answer={}, metadata={})
    at = f"UPDATE video_submissions SET accepted_at = now() - interval '{ago}' WHERE job_id = :id"  # noqa: S608
    await sql(ledger, at, lease)


async def test_what_an_account_has_surely_taken_is_known_by_the_books(ledger: Ledger, job_id: str) -> None:
    ours = {"ghostcut": f"block-{job_id}"}
    await taken_by_another_job(ledger, f"an-hour-ago-{job_id}", connections=ours, ago="1 hour")
    await taken_by_another_job(ledger, f"just-now-{job_id}", connections=ours, ago="1 second")
    await taken_by_another_job(ledger, f"last-week-{job_id}", connections=ours, ago="7 days")
    await taken_by_another_job(ledger, f"elsewhere-{job_id}", connections={"ghostcut": "another"}, ago="1 hour")
    await ledger.open(job_id, a_request(), actor="test", connections=ours)
    lease = Lease(job_id, "run-1/1")
    await ledger.claim(lease, 60)
    await ledger.advance(lease, Point.UPLOADED)
    intent = await ledger.intend(lease, a_call(Vendor(), replayable=False).stage, lambda _: b"{}")
    taken = await ledger.taken_around(intent.submission, timedelta(days=1), timedelta(minutes=10))
    assert taken == {f"an-hour-ago-{job_id}"}


# ---- a run that waits until it is known ------------------------------------------------------------------


@pytest.fixture
def run(ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch) -> JobRun:
    async def anew() -> Ledger:
        return Ledger(engine_for(ledger.address))  # each event loop has its own

    monkeypatch.setattr(paying, "get_run_logger", lambda: logging.getLogger("test"))
    connections = SimpleNamespace(ledger=anew)
    return cast(JobRun, SimpleNamespace(lease=lease, job_id=lease.job_id, connections=connections))


async def test_a_run_waits_until_it_is_known_and_uses_up_no_retries(run: JobRun, ledger: Ledger, lease: Lease) -> None:
    vendor, search = Vendor(lost(), "never"), Search(*[early(0.001)] * 100, shown(lease))
    await buy(run, call(vendor, search))
    assert (search.looks, len(vendor.sent)) == (101, 1)
    assert await state_of(ledger, lease) == SubmissionState.ACCEPTED


async def test_a_callback_wakes_the_run_that_waits_to_know(run: JobRun, ledger: Ledger, lease: Lease) -> None:
    vendor, search = Vendor(lost(), "never"), Search(early(3600), early(3600), shown(lease))
    buying = asyncio.create_task(buy(run, call(vendor, search)))
    async with asyncio.timeout(20):
        await up(ledger)
        while search.looks < 2:  # noqa: ASYNC110  # in another loop: at once, and when it has begun to listen
            await asyncio.sleep(0.01)
        await ledger.hear((await ledger.submissions(lease.job_id))[0], "work-1")
        await buying
    assert (await state_of(ledger, lease), len(vendor.sent)) == (SubmissionState.ACCEPTED, 1)


async def test_a_run_that_waits_to_know_can_be_cancelled(run: JobRun, ledger: Ledger, lease: Lease) -> None:
    search = Search(early(3600))
    buying = asyncio.create_task(buy(run, call(Vendor(lost()), search)))
    async with asyncio.timeout(20):
        while not search.looks:  # noqa: ASYNC110  # in another event loop
            await asyncio.sleep(0.01)
        buying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await buying
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN
