"""Every kind of stuck job, made as it comes about: a run dies at a fault point, at a vendor that is in some state."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect.states import Scheduled
from sqlalchemy import text

from tests.stack.conftest import DEPLOYMENT, Desk
from tests.stack.test_cancelling import until
from videojobs.intake import parse_request
from videojobs.ledger import Lease, engine_for
from videojobs.recovery import Kind
from videojobs.settings import Access, Timings
from videojobs.states import Stage, Status

DAYS = 6
"""How long ago the jobs of this layer got stuck: no other job of the stack is as old."""

MINUTES = DAYS * 24 * 60 - 60

Then = Callable[[Desk, str], Awaitable[None]]


async def sql(desk: Desk, statement: str, job_id: str, **values: object) -> None:
    async with engine_for(desk.stack.variables["DATABASE_URL"]).begin() as connection:
        await connection.execute(text(statement), {"id": job_id, **values})


async def age(desk: Desk, *job_ids: str) -> None:
    """Nothing has happened to these jobs for days."""
    for job_id in job_ids:
        await sql(desk, f"UPDATE video_jobs SET updated_at = now() - interval '{DAYS} days' WHERE id = :id", job_id)  # noqa: S608


@dataclass(frozen=True)
class Stuck:
    """A kind of stuck job, the verdict on it, what the reason says, and how it ends.

    The run dies at the fault point `at` when it passes it for the nth time; without one there is no run at all.
    `paid` are the submissions on the books of Sync.so and of GhostCut in the end.
    """

    verdict: Kind
    says: str
    ends: Status
    paid: tuple[int, int]
    at: tuple[str, int] | None = None
    areas: bool = False
    fault: tuple[str, str, dict[str, Any]] | None = None
    then: Then | None = None
    message: str = ""  # what the job's error or message begins with in the end
    slow: str = ""  # the vendor that is still at work when the clean-up comes


# ---- what happens to a job beside its run --------------------------------------------------------------------


async def _is_at_work(desk: Desk, job_id: str) -> None:
    await desk.ledger.claim(Lease(job_id, "somebody/1"), 3600)


async def _is_parked(desk: Desk, job_id: str) -> None:
    lease = Lease(job_id, "somebody/1")
    await desk.ledger.claim(lease, 60)
    await desk.ledger.park(lease, "who knows")
    await desk.ledger.release(lease)


async def _has_killed_its_runs(desk: Desk, job_id: str) -> None:
    for run in range(Timings().recovery_attempts):
        assert await desk.ledger.claim(Lease(job_id, f"victim-{run}/1"), 0) is None


async def _has_a_run_that_waits(desk: Desk, job_id: str) -> None:
    deployment = await desk.prefect.read_deployment_by_name(DEPLOYMENT)
    await desk.prefect.create_flow_run_from_deployment(
        deployment.id,
        parameters={**desk.small(), "job_id": job_id},
        state=Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1)),
    )


async def _has_an_id_that_nobody_knows(desk: Desk, job_id: str) -> None:
    other_id = "UPDATE video_submissions SET vendor_id = :other WHERE job_id = :id AND state = 'accepted'"
    await sql(desk, other_id, job_id, other=str(uuid4()))


async def _is_not_to_be_seen_for_hours(desk: Desk, job_id: str) -> None:
    """Both vendors refuse what is no id of theirs: a UUID is one of Sync.so's, a number one of GhostCut's."""
    other = (
        "UPDATE video_submissions SET accepted_at = accepted_at - interval '7 hours', "
        "vendor_id = CASE stage WHEN 'lip_sync' THEN :generation ELSE :work END "
        "WHERE job_id = :id AND state = 'accepted'"
    )
    await sql(desk, other, job_id, generation=str(uuid4()), work=str(uuid4().int % 10**8))


async def _is_named_by_a_callback(desk: Desk, job_id: str) -> None:
    """Nobody started the run that the callback asks for."""
    [work] = await desk.paid("ghostcut", job_id)
    submission = await desk.ledger.live_submission(job_id, Stage.TEXT_REMOVAL)
    assert submission is not None
    await desk.ledger.hear(submission, str(work["id"]))


# ---- the kinds -----------------------------------------------------------------------------------------------

OPENED, PROCESSING = Status.PENDING, Status.PROCESSING
COMPLETED, FAILED = Status.COMPLETED, Status.FAILED

ACCEPTED_BY_SYNC_SO = ("ledger.accept.after_commit", 1)
ACCEPTED_BY_GHOSTCUT = ("ledger.accept.after_commit", 2)

KINDS: dict[str, Stuck] = {
    "never taken up": Stuck(Kind.RESUME, "nobody has taken it up", COMPLETED, (1, 0)),
    "taken by Sync.so, and not written down": Stuck(
        Kind.RESUME,
        "same key",
        COMPLETED,
        (1, 0),
        ("ledger.accept.before_commit", 1),
        fault=("sync_so", "webhook", {"effect": "drop"}),
    ),
    "Sync.so at work": Stuck(Kind.RESUME, "still at work", COMPLETED, (1, 0), ACCEPTED_BY_SYNC_SO, slow="sync_so"),
    "Sync.so done": Stuck(Kind.COMPLETE, "Sync.so is done", COMPLETED, (1, 0), ACCEPTED_BY_SYNC_SO),
    "Sync.so failed": Stuck(
        Kind.FAIL,
        "generation_pipeline_failed",
        FAILED,
        (1, 0),
        ACCEPTED_BY_SYNC_SO,
        areas=True,
        fault=("sync_so", "ends", {"errorCode": "generation_pipeline_failed"}),
        message="Lip-sync failed: ",
    ),
    "Sync.so failed, and nobody said so": Stuck(
        Kind.FAIL,
        "Lip-sync failed: ",
        FAILED,
        (1, 0),
        ("ledger.settle.after_commit", 1),
        fault=("sync_so", "ends", {}),
        message="Lip-sync failed: ",
    ),
    "not shown by Sync.so yet": Stuck(
        Kind.LEAVE, "yet", PROCESSING, (1, 0), ACCEPTED_BY_SYNC_SO, then=_has_an_id_that_nobody_knows
    ),
    "not shown by Sync.so for hours": Stuck(
        Kind.PARK, "any more", PROCESSING, (1, 0), ACCEPTED_BY_SYNC_SO, then=_is_not_to_be_seen_for_hours
    ),
    "Sync.so out of reach": Stuck(
        Kind.LEAVE,
        "503",
        PROCESSING,
        (1, 0),
        ACCEPTED_BY_SYNC_SO,
        fault=("sync_so", "http_error", {"on": "status", "status": 503, "times": 1000}),
    ),
    "lip-sync stored, no areas": Stuck(
        Kind.COMPLETE, "no areas", COMPLETED, (1, 0), ("ledger.advance.after_commit", 2)
    ),
    "perhaps taken by GhostCut": Stuck(
        Kind.RESUME, "vendor's list", COMPLETED, (1, 1), ("ledger.intend.after_commit", 2), areas=True
    ),
    "taken by GhostCut, and not written down": Stuck(
        Kind.RESUME,
        "vendor's list",
        COMPLETED,
        (1, 1),
        ("ledger.accept.before_commit", 2),
        areas=True,
        fault=("ghostcut", "callback", {"effect": "drop"}),
    ),
    "taken by GhostCut, and named by its callback": Stuck(
        Kind.RESUME,
        "a work was named",
        COMPLETED,
        (1, 1),
        ("ledger.accept.before_commit", 2),
        areas=True,
        fault=("ghostcut", "callback", {"effect": "drop"}),
        then=_is_named_by_a_callback,
    ),
    "GhostCut at work": Stuck(
        Kind.RESUME, "still at work", COMPLETED, (1, 1), ACCEPTED_BY_GHOSTCUT, areas=True, slow="ghostcut"
    ),
    "GhostCut done": Stuck(Kind.COMPLETE, "GhostCut is done", COMPLETED, (1, 1), ACCEPTED_BY_GHOSTCUT, areas=True),
    "GhostCut failed": Stuck(
        Kind.FAIL,
        "status 20",
        FAILED,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        fault=("ghostcut", "ends", {"status": 20}),
        message="Text inpainting failed: ",
    ),
    "locked by GhostCut": Stuck(
        Kind.PARK,
        "status 83",
        PROCESSING,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        fault=("ghostcut", "ends", {"status": 83}),
    ),
    # Its id spoils the one request for all works.
    "refused by GhostCut's status": Stuck(
        Kind.LEAVE,
        "yet",
        PROCESSING,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        fault=("ghostcut", "code", {"code": 3003, "on": "status", "times": 1000}),
    ),
    "not shown by GhostCut for hours": Stuck(
        Kind.PARK, "any more", PROCESSING, (1, 1), ACCEPTED_BY_GHOSTCUT, areas=True, then=_is_not_to_be_seen_for_hours
    ),
    "text removal stored": Stuck(
        Kind.COMPLETE, "final video", COMPLETED, (1, 1), ("ledger.advance.after_commit", 3), areas=True
    ),
    "a run at work": Stuck(Kind.LEAVE, "at work on it", PROCESSING, (0, 0), then=_is_at_work),
    "a run that waits for a worker": Stuck(Kind.LEAVE, "a worker", OPENED, (0, 0), then=_has_a_run_that_waits),
    "parked": Stuck(Kind.LEAVE, "who knows", PROCESSING, (0, 0), then=_is_parked),
    "the death of its runs": Stuck(Kind.PARK, "10 runs in a row", PROCESSING, (0, 0), then=_has_killed_its_runs),
}


async def the_vendors_are_through(desk: Desk, job_id: str) -> bool:
    books = [*await desk.paid("sync_so", job_id), *await desk.paid("ghostcut", job_id)]
    return all(entry["ended_at"] is not None for entry in books)


async def make(desk: Desk, kind: Stuck, job_id: str, faults: Path) -> None:
    """Bring a job into this state, and let it be forgotten for days."""
    request = desk.small(areas=kind.areas)
    if kind.fault is not None:
        vendor, name, more = kind.fault
        await desk.fault(vendor, name, job_id, **more)
    if kind.at is None:
        await desk.ledger.open(job_id, parse_request(request, access=Access(allow_local_files=True)), actor="test")
    else:
        point, nth = kind.at
        (faults / f"{job_id}.json").write_text(json.dumps({"point": point, "nth": nth, "action": "raise"}))
        state = await desk.state_here(request, job_id)
        assert "a test asked to raise" in str(state.message), f"{kind.says}: {state.message}"
    if not kind.slow:
        await until(lambda: the_vendors_are_through(desk, job_id))
    if kind.then is not None:
        await kind.then(desk, job_id)
    await age(desk, job_id)
