"""Stuck jobs, one by one: a verdict on each, and what the verdict asks for.

Whoever acts holds the job's lease, and only if the job still is as it was when it was looked at. So two clean-ups at
once do everything once; and one that dies leaves a job that the next one finds again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from prefect.runtime import flow_run

from blocks import Connections
from tasks.announcing import PARKED, STUCK, announce
from tasks.closing import failure
from tasks.run import history
from tasks.run_again import run_again, waiting_runs
from tasks.steps import step
from tasks.truth import ask_vendors, connections_of
from videojobs.errors import LedgerUnavailable
from videojobs.faults import job_in_hand
from videojobs.ledger import Lease, Ledger, SubmissionState
from videojobs.ledger.upkeep import OldTests, Standing
from videojobs.media.store import ObjectStore, job_prefix
from videojobs.recovery import NOT_ASKED, Kind, Says, Truth, Verdict, asked_about, decide
from videojobs.settings import Timings

# The next clean-up is the retry: it looks again, instead of insisting on what was true a minute ago.
NO_RETRIES: Final = 0

CHANGED: Final = "nothing: it has changed since it was looked at"
DONE: Final = {Kind.RESUME: "run started", Kind.COMPLETE: "run started", Kind.FAIL: "failed", Kind.PARK: "parked"}


@dataclass(frozen=True, slots=True)
class Case:
    """A stuck job, what its vendor says, and the verdict."""

    standing: Standing
    truth: Truth
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about a job, in words; `run` is the flow run that was started for it."""

    what: str
    run: UUID | None = None
    failed: bool = False


@step("find stuck jobs, ask the vendors", retries=NO_RETRIES)
async def look_into_stuck_jobs(connections: Connections, older_than: timedelta, limit: int) -> list[Case]:
    """The jobs that have not changed for so long, with a verdict on each. Nothing is changed."""
    found = await (await connections.ledger()).stuck(older_than, limit)
    waiting = await waiting_runs() if found else {}
    questions = [
        (standing.job, submission)
        for standing in found
        if (submission := asked_about(standing, waiting.get(standing.job.id))) is not None
    ]
    truths = await ask_vendors(questions, connections)
    return [_case(standing, truths.get(standing.job.id, NOT_ASKED), waiting) for standing in found]


def _case(standing: Standing, truth: Truth, waiting: dict[str, str]) -> Case:
    return Case(standing, truth, decide(standing, truth, run_waits=waiting.get(standing.job.id)))


@step("act on a verdict", retries=NO_RETRIES)
async def act(case: Case, connections: Connections) -> Done:
    """Do what the verdict asks for, unless the job has changed since."""
    job = case.standing.job
    job_in_hand.set(job.id)
    ledger = await connections.ledger()
    async with _in_hand(ledger, case.standing) as lease:
        if lease is None:
            return Done(CHANGED)
        detail = {"verdict": case.verdict.kind.value, "reason": case.verdict.reason}
        await ledger.record(lease, "cleaned_up", detail)
        if case.verdict.kind is Kind.FAIL:
            await _fail(ledger, lease, case, connections)
        if case.verdict.kind is Kind.PARK:
            await ledger.park(lease, case.verdict.reason, detail={"history": await history(ledger, job)})
    announce(PARKED if case.verdict.kind is Kind.PARK else STUCK, job.id, case.verdict.reason)
    goes_on = case.verdict.kind in (Kind.RESUME, Kind.COMPLETE)
    return Done(DONE[case.verdict.kind], await run_again(job) if goes_on else None)


async def _fail(ledger: Ledger, lease: Lease, case: Case, connections: Connections) -> None:
    """As the run would have done that waited for the vendor."""
    job, truth = case.standing.job, case.truth
    submission = asked_about(case.standing)
    if submission is not None and truth.says is Says.FAILED:
        await ledger.settle(
            lease,
            submission,
            SubmissionState.FAILED,
            error=truth.text,
            answer=truth.answer,
            paid_points=truth.paid_points,
        )
    store = await connections_of(job, connections).store()
    message, fallback = failure(job, store, case.verdict.reason)
    await ledger.fail(lease, message, fallback_url=fallback)


@asynccontextmanager
async def _in_hand(ledger: Ledger, standing: Standing) -> AsyncIterator[Lease | None]:
    """The job's lease, for as long as the context lasts; None when the job has changed, or somebody has it."""
    lease = Lease(standing.job.id, f"{flow_run.get_id()}/{flow_run.get_run_count()}")
    if not await ledger.hold(lease, Timings().lease_seconds, standing):
        yield None
        return
    try:
        yield lease
    finally:
        with suppress(LedgerUnavailable):  # it runs out by itself
            await ledger.release(lease, in_order=False)  # holding was not counted, so letting go is not either


# ---- old test jobs -----------------------------------------------------------------------------------------


@step("find old test jobs", retries=NO_RETRIES)
async def find_old_tests(connections: Connections, which: OldTests, limit: int) -> Sequence[Standing]:
    """What may be purged. Nothing is changed."""
    return await (await connections.ledger()).purgeable(which, limit) if which.user_ids else []


@step("purge a test job", retries=NO_RETRIES)
async def purge(standing: Standing, which: OldTests, connections: Connections) -> Done:
    """The job's objects, then its row: one that loses its objects only is found again."""
    job = standing.job
    job_in_hand.set(job.id)
    ledger = await connections.ledger()
    store = await connections_of(job, connections).store()
    async with _in_hand(ledger, standing) as lease:
        if lease is None:
            return Done(CHANGED)
        objects = await asyncio.to_thread(_empty, store, job_prefix(job.user_id, job.id))
        if not await ledger.purge(lease, which):
            return Done(f"{objects} objects deleted; the row stays, since it has changed")
    return Done(f"{objects} objects and the row deleted")


def _empty(store: ObjectStore, prefix: str) -> int:
    """Delete everything of a job, half-sent objects too; gives the number of objects."""
    keys = list(store.keys(prefix))
    store.delete(keys)
    store.abort_unfinished(prefix)
    return len(keys)
