"""Every kind of stuck job, created as it occurs: a run dies at a fault point while its vendor is in a given state."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect.states import Scheduled
from sqlalchemy import text

from tests.acceptance.conftest import DEPLOYMENT, StackDriver
from tests.acceptance.test_cancellation import wait_until
from videojobs.db import Lease, get_engine
from videojobs.pipeline.recovery_policy import RecoveryAction
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings, TimingSettings
from videojobs.states import Stage, Status

STUCK_DAYS = 6
"""The age of the stuck jobs of this layer: no other job of the stack is as old."""

STUCK_MINUTES = STUCK_DAYS * 24 * 60 - 60

SetupStep = Callable[[StackDriver, str], Awaitable[None]]


async def execute_sql(driver: StackDriver, statement: str, job_id: str, **values: object) -> None:
    async with get_engine(driver.stack.variables["DATABASE_URL"]).begin() as connection:
        await connection.execute(text(statement), {"id": job_id, **values})


async def backdate_jobs(driver: StackDriver, *job_ids: str) -> None:
    """Make the last change of these jobs days old."""
    for job_id in job_ids:
        backdate = f"UPDATE video_jobs SET updated_at = now() - interval '{STUCK_DAYS} days' WHERE id = :id"  # noqa: S608
        await execute_sql(driver, backdate, job_id)


@dataclass(frozen=True)
class StuckJobCase:
    """A kind of stuck job: its recovery action, a text that the reason contains, and its final state.

    The run dies at `fault_point`, a point and the pass at which it dies. Without one there is no run at all.
    `submission_counts` are the final numbers of submissions that Sync.so and GhostCut have recorded.
    """

    action: RecoveryAction
    reason: str
    final_status: Status
    submission_counts: tuple[int, int]
    fault_point: tuple[str, int] | None = None
    areas: bool = False
    vendor_fault: tuple[str, str, dict[str, Any]] | None = None
    setup: SetupStep | None = None
    message: str = ""  # the start of the job's final error or message
    slow_vendor: str = ""  # the vendor that is still processing when the clean-up runs


# ---- what happens to a job outside its run -------------------------------------------------------------------


async def _acquire_lease(driver: StackDriver, job_id: str) -> None:
    await driver.repository.acquire_lease(Lease(job_id, "somebody/1"), 3600)


async def _park_job(driver: StackDriver, job_id: str) -> None:
    lease = Lease(job_id, "somebody/1")
    await driver.repository.acquire_lease(lease, 60)
    await driver.repository.park(lease, "who knows")
    await driver.repository.release_lease(lease)


async def _exhaust_recovery_attempts(driver: StackDriver, job_id: str) -> None:
    for run in range(TimingSettings().recovery_attempts):
        assert await driver.repository.acquire_lease(Lease(job_id, f"victim-{run}/1"), 0) is None


async def _schedule_future_run(driver: StackDriver, job_id: str) -> None:
    deployment = await driver.prefect.read_deployment_by_name(DEPLOYMENT)
    await driver.prefect.create_flow_run_from_deployment(
        deployment.id,
        parameters={**driver.make_small_request(), "job_id": job_id},
        state=Scheduled(scheduled_time=datetime.now(UTC) + timedelta(days=1)),
    )


async def _set_unknown_vendor_id(driver: StackDriver, job_id: str) -> None:
    other_id = "UPDATE video_submissions SET vendor_id = :other WHERE job_id = :id AND state = 'accepted'"
    await execute_sql(driver, other_id, job_id, other=str(uuid4()))


async def _set_old_unknown_vendor_id(driver: StackDriver, job_id: str) -> None:
    """Both vendors reject ids in a foreign format: a UUID is one of Sync.so's, a number one of GhostCut's."""
    other = (
        "UPDATE video_submissions SET accepted_at = accepted_at - interval '7 hours', "
        "vendor_id = CASE stage WHEN 'lip_sync' THEN :generation ELSE :work END "
        "WHERE job_id = :id AND state = 'accepted'"
    )
    await execute_sql(driver, other, job_id, generation=str(uuid4()), work=str(uuid4().int % 10**8))


async def _record_callback(driver: StackDriver, job_id: str) -> None:
    """Record a callback whose follow-up run was never started."""
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    submission = await driver.repository.get_live_submission(job_id, Stage.TEXT_REMOVAL)
    assert submission is not None
    await driver.repository.record_callback(submission, str(work["id"]))


# ---- the kinds -----------------------------------------------------------------------------------------------

PENDING, PROCESSING = Status.PENDING, Status.PROCESSING
COMPLETED, FAILED = Status.COMPLETED, Status.FAILED

ACCEPTED_BY_SYNC_SO = ("db.record_accepted.after_commit", 1)
ACCEPTED_BY_GHOSTCUT = ("db.record_accepted.after_commit", 2)

STUCK_JOB_CASES: dict[str, StuckJobCase] = {
    "never taken up": StuckJobCase(RecoveryAction.RESUME, "no run has started it", COMPLETED, (1, 0)),
    "taken by Sync.so, and not written down": StuckJobCase(
        RecoveryAction.RESUME,
        "same idempotency key",
        COMPLETED,
        (1, 0),
        ("db.record_accepted.before_commit", 1),
        vendor_fault=("sync_so", "webhook", {"effect": "drop"}),
    ),
    "Sync.so at work": StuckJobCase(
        RecoveryAction.RESUME, "still running", COMPLETED, (1, 0), ACCEPTED_BY_SYNC_SO, slow_vendor="sync_so"
    ),
    "Sync.so done": StuckJobCase(RecoveryAction.COMPLETE, "Sync.so is done", COMPLETED, (1, 0), ACCEPTED_BY_SYNC_SO),
    "Sync.so failed": StuckJobCase(
        RecoveryAction.FAIL,
        "generation_pipeline_failed",
        FAILED,
        (1, 0),
        ACCEPTED_BY_SYNC_SO,
        areas=True,
        vendor_fault=("sync_so", "ends", {"errorCode": "generation_pipeline_failed"}),
        message="Lip-sync failed: ",
    ),
    "Sync.so failed, and nobody said so": StuckJobCase(
        RecoveryAction.FAIL,
        "Lip-sync failed: ",
        FAILED,
        (1, 0),
        ("db.record_outcome.after_commit", 1),
        vendor_fault=("sync_so", "ends", {}),
        message="Lip-sync failed: ",
    ),
    "not shown by Sync.so yet": StuckJobCase(
        RecoveryAction.LEAVE, "yet", PROCESSING, (1, 0), ACCEPTED_BY_SYNC_SO, setup=_set_unknown_vendor_id
    ),
    "not shown by Sync.so for hours": StuckJobCase(
        RecoveryAction.PARK,
        "no longer lists",
        PROCESSING,
        (1, 0),
        ACCEPTED_BY_SYNC_SO,
        setup=_set_old_unknown_vendor_id,
    ),
    "Sync.so out of reach": StuckJobCase(
        RecoveryAction.LEAVE,
        "503",
        PROCESSING,
        (1, 0),
        ACCEPTED_BY_SYNC_SO,
        vendor_fault=("sync_so", "http_error", {"on": "status", "status": 503, "times": 1000}),
    ),
    "lip-sync stored, no areas": StuckJobCase(
        RecoveryAction.COMPLETE, "no areas", COMPLETED, (1, 0), ("db.advance.after_commit", 2)
    ),
    "perhaps taken by GhostCut": StuckJobCase(
        RecoveryAction.RESUME, "vendor's list", COMPLETED, (1, 1), ("db.create_intent.after_commit", 2), areas=True
    ),
    "taken by GhostCut, and not written down": StuckJobCase(
        RecoveryAction.RESUME,
        "vendor's list",
        COMPLETED,
        (1, 1),
        ("db.record_accepted.before_commit", 2),
        areas=True,
        vendor_fault=("ghostcut", "callback", {"effect": "drop"}),
    ),
    "taken by GhostCut, and named by its callback": StuckJobCase(
        RecoveryAction.RESUME,
        "reported an id",
        COMPLETED,
        (1, 1),
        ("db.record_accepted.before_commit", 2),
        areas=True,
        vendor_fault=("ghostcut", "callback", {"effect": "drop"}),
        setup=_record_callback,
    ),
    "GhostCut at work": StuckJobCase(
        RecoveryAction.RESUME,
        "still running",
        COMPLETED,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        slow_vendor="ghostcut",
    ),
    "GhostCut done": StuckJobCase(
        RecoveryAction.COMPLETE, "GhostCut is done", COMPLETED, (1, 1), ACCEPTED_BY_GHOSTCUT, areas=True
    ),
    "GhostCut failed": StuckJobCase(
        RecoveryAction.FAIL,
        "status 20",
        FAILED,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        vendor_fault=("ghostcut", "ends", {"status": 20}),
        message="Text inpainting failed: ",
    ),
    "locked by GhostCut": StuckJobCase(
        RecoveryAction.PARK,
        "status 83",
        PROCESSING,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        vendor_fault=("ghostcut", "ends", {"status": 83}),
    ),
    # Its id makes the shared request for all works fail.
    "refused by GhostCut's status": StuckJobCase(
        RecoveryAction.LEAVE,
        "yet",
        PROCESSING,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        vendor_fault=("ghostcut", "code", {"code": 3003, "on": "status", "times": 1000}),
    ),
    "not shown by GhostCut for hours": StuckJobCase(
        RecoveryAction.PARK,
        "no longer lists",
        PROCESSING,
        (1, 1),
        ACCEPTED_BY_GHOSTCUT,
        areas=True,
        setup=_set_old_unknown_vendor_id,
    ),
    "text removal stored": StuckJobCase(
        RecoveryAction.COMPLETE, "final video", COMPLETED, (1, 1), ("db.advance.after_commit", 3), areas=True
    ),
    "a run at work": StuckJobCase(RecoveryAction.LEAVE, "works on it", PROCESSING, (0, 0), setup=_acquire_lease),
    "a run that waits for a worker": StuckJobCase(
        RecoveryAction.LEAVE, "a worker", PENDING, (0, 0), setup=_schedule_future_run
    ),
    "parked": StuckJobCase(RecoveryAction.LEAVE, "who knows", PROCESSING, (0, 0), setup=_park_job),
    "the death of its runs": StuckJobCase(
        RecoveryAction.PARK, "10 runs in a row", PROCESSING, (0, 0), setup=_exhaust_recovery_attempts
    ),
}


async def vendors_are_done(driver: StackDriver, job_id: str) -> bool:
    books = [*await driver.vendor_submissions("sync_so", job_id), *await driver.vendor_submissions("ghostcut", job_id)]
    return all(entry["ended_at"] is not None for entry in books)


async def make_stuck_job(driver: StackDriver, case: StuckJobCase, job_id: str, fault_dir: Path) -> None:
    """Bring a job into this state, with its last change days ago."""
    request = driver.make_small_request(areas=case.areas)
    if case.vendor_fault is not None:
        vendor, name, more = case.vendor_fault
        await driver.inject_fault(vendor, name, job_id, **more)
    if case.fault_point is None:
        await driver.repository.create(
            job_id, parse_request(request, access=AccessSettings(allow_local_files=True)), actor="test"
        )
    else:
        point, nth = case.fault_point
        (fault_dir / f"{job_id}.json").write_text(json.dumps({"point": point, "nth": nth, "action": "raise"}))
        state = await driver.run_to_state(request, job_id)
        assert "a test requested raise" in str(state.message), f"{case.reason}: {state.message}"
    if not case.slow_vendor:
        await wait_until(lambda: vendors_are_done(driver, job_id))
    if case.setup is not None:
        await case.setup(driver, job_id)
    await backdate_jobs(driver, job_id)
