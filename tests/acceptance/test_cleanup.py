"""The flow `cleanup` on a database with every kind of stuck job, and with old test jobs."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

import videojobs.testing.fault_injection
from deployments.server.register import register
from flows.cleanup import CleanupConfig, PurgeConfig, cleanup
from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_acceptance import read_artifacts
from tests.support.stuck_jobs import STUCK_JOB_CASES, STUCK_MINUTES, backdate_jobs, execute_sql, make_stuck_job
from videojobs.db import Lease
from videojobs.errors import UnknownJob
from videojobs.pipeline.recovery_policy import RecoveryAction
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.states import Stage, Status
from videojobs.storage.object_store import job_prefix

pytestmark = [pytest.mark.usefixtures("in_process_flows", "no_scheduled_cleanup"), pytest.mark.timeout(900)]

VENDOR_LIMITS = (
    "sync-so-generations",
    "ghostcut-works",
)  # runs that were killed for other tests may have left some behind
ReportTable = dict[str, dict[str, str]]  # rows of the report, by job


@pytest.fixture
def fault_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fault points of this process apply to the jobs that have a file here."""
    monkeypatch.setattr(videojobs.testing.fault_injection, "_FAULT_DIR", tmp_path)
    return tmp_path


def make_config(*, dry_run: bool, users: list[str] | None = None) -> CleanupConfig:
    """For this file's jobs only: no others are that old."""
    purge = PurgeConfig(user_ids=users or [])
    return CleanupConfig(dry_run=dry_run, stuck_after_minutes=STUCK_MINUTES, batch_size=100, purge=purge)


async def run_cleanup(driver: StackDriver, *, dry_run: bool, users: list[str] | None = None) -> ReportTable:
    """Run one clean-up in this process; gives its table."""
    state = await cleanup(make_config(dry_run=dry_run, users=users), return_state=True)
    assert state.is_completed(), state.message
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    table = (await read_artifacts(driver, await driver.prefect.read_flow_run(run_id)))["table"]
    return {row["job"]: {name: unwrap_cell(cell) for name, cell in row.items()} for row in json.loads(str(table.data))}


def unwrap_cell(cell: str) -> str:
    return " ".join(cell.split())


async def job_snapshot(driver: StackDriver, job_id: str) -> object:
    """All database records of a job."""
    job, submissions = await driver.repository.get_job(job_id), await driver.repository.list_submissions(job_id)
    rows = [{column.key: getattr(row, column.key) for column in row.__table__.columns} for row in (job, *submissions)]
    return rows, len(await driver.repository.list_events(job_id))


async def deployment_runs(driver: StackDriver, job_id: str) -> list[FlowRun]:
    """The deployment's runs for this job; runs in this process have no deployment."""
    latest = await driver.prefect.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=200)
    return [run for run in latest if run.deployment_id and run.parameters.get("job_id") == job_id]


async def submission_counts(driver: StackDriver, job_id: str) -> tuple[int, int]:
    return len(await driver.vendor_submissions("sync_so", job_id)), len(
        await driver.vendor_submissions("ghostcut", job_id)
    )


# ---- every kind of stuck job -----------------------------------------------------------------------------------


async def test_cleanup_resolves_every_kind_of_stuck_job(driver: StackDriver, fault_dir: Path) -> None:
    jobs = {name: str(uuid4()) for name in STUCK_JOB_CASES}
    try:
        await make_stuck_jobs(driver, jobs, fault_dir)
        before = [await job_snapshot(driver, job_id) for job_id in jobs.values()]
        would = await run_cleanup(driver, dry_run=True)
        assert [await job_snapshot(driver, job_id) for job_id in jobs.values()] == before
        did = await run_cleanup(driver, dry_run=False)
    finally:
        for vendor in ("sync_so", "ghostcut"):
            await driver.update_vendor_settings(vendor, processing_seconds=0.5)

    for report in (would, did):
        assert set(report) - set(VENDOR_LIMITS) == set(jobs.values())
    wrong = [
        f"{name}: {report[job_id]}"
        for report in (would, did)
        for name, job_id in jobs.items()
        if report[job_id]["action"] != STUCK_JOB_CASES[name].action
        or STUCK_JOB_CASES[name].reason not in report[job_id]["reason"]
    ]
    assert wrong == []
    for name, job_id in jobs.items():
        await assert_outcome(driver, name, job_id, did[job_id])


async def make_stuck_jobs(driver: StackDriver, jobs: dict[str, str], fault_dir: Path) -> None:
    """Create jobs of slow vendors last, and Sync.so's after GhostCut's: all other jobs have to pass Sync.so first."""
    for name in sorted(jobs, key=lambda name: STUCK_JOB_CASES[name].slow_vendor):
        if STUCK_JOB_CASES[name].slow_vendor:
            await driver.update_vendor_settings(STUCK_JOB_CASES[name].slow_vendor, processing_seconds=3600)
        await make_stuck_job(driver, STUCK_JOB_CASES[name], jobs[name], fault_dir)


async def assert_outcome(driver: StackDriver, name: str, job_id: str, row: dict[str, str]) -> None:
    kind = STUCK_JOB_CASES[name]
    if kind.action in (RecoveryAction.RESUME, RecoveryAction.COMPLETE):
        run_id = row["done"].removeprefix(f"[run started]({driver.stack.ui_url}/runs/flow-run/").removesuffix(")")
        await driver.wait_for_run(await driver.prefect.read_flow_run(UUID(run_id)))
    else:
        assert await deployment_runs(driver, job_id) == [] or name == "a run that waits for a worker"
    job = await driver.repository.get_job(job_id)
    assert (job.status, job.lease_holder is None) == (kind.final_status, name != "a run at work"), (
        name,
        job.error_message,
    )
    assert await submission_counts(driver, job_id) == kind.submission_counts, name
    assert (job.parked_reason is not None) == (kind.action is RecoveryAction.PARK or name == "parked"), name
    assert (job.error_message or "").startswith(kind.message), name
    recorded = [event.detail for event in await driver.repository.list_events(job_id) if event.kind == "cleanup_action"]
    told = [] if kind.action is RecoveryAction.LEAVE else [{"verdict": kind.action, "reason": row["reason"]}]
    assert recorded == told, name
    if name == "GhostCut failed":
        assert job.output_url == driver.store.uri(f"users/ada/jobs/{job_id}/pro_sync_result_{job_id}.mp4")
    if kind.final_status == Status.COMPLETED:
        assert (await driver.download_result(job)).stat().st_size > 10_000


# ---- concurrent and killed clean-ups ---------------------------------------------------------------------------


async def make_unclaimed_job(driver: StackDriver, fault_dir: Path) -> str:
    job_id = str(uuid4())
    await make_stuck_job(driver, STUCK_JOB_CASES["never taken up"], job_id, fault_dir)
    return job_id


async def make_failed_lip_sync_job(driver: StackDriver, fault_dir: Path) -> str:
    job_id = str(uuid4())
    await make_stuck_job(driver, STUCK_JOB_CASES["Sync.so failed"], job_id, fault_dir)
    return job_id


async def cleanup_event_kinds(driver: StackDriver, job_id: str) -> list[str]:
    """The events of clean-ups and of the job's own end, without that of its submission."""
    events = await driver.repository.list_events(job_id)
    ours = [event for event in events if event.kind in ("cleanup_action", "failed")]
    return [event.kind for event in ours if "submission" not in (event.detail or {})]


async def test_two_concurrent_cleanups_act_once_per_job(driver: StackDriver, fault_dir: Path) -> None:
    resumed, failed = await make_unclaimed_job(driver, fault_dir), await make_failed_lip_sync_job(driver, fault_dir)
    await asyncio.gather(*(run_cleanup(driver, dry_run=False) for _ in range(2)))
    [run] = await deployment_runs(driver, resumed)
    await driver.wait_for_run(run)
    assert (await driver.repository.get_job(resumed)).status == Status.COMPLETED
    assert await cleanup_event_kinds(driver, failed) == ["cleanup_action", "failed"]
    assert await submission_counts(driver, resumed) == await submission_counts(driver, failed) == (1, 0)


async def run_killed_cleanup(driver: StackDriver, fault_dir: Path, job_id: str, point: str) -> None:
    """A clean-up in a subprocess that dies at this point."""
    (fault_dir / f"{job_id}.json").write_text(json.dumps({"point": point, "nth": 1, "action": "kill"}))
    (fault_dir / f"{job_id}.passed").unlink(missing_ok=True)
    config = make_config(dry_run=False, users=[TEST_USER])
    program = (
        "import asyncio; from flows.cleanup import CleanupConfig, cleanup; "
        f"asyncio.run(cleanup(CleanupConfig.model_validate_json({config.model_dump_json()!r})))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={**driver.stack.variables, "VIDEOJOBS_FAULT_DIR": str(fault_dir), "VIDEOJOBS_LEASE_SECONDS": "0.5"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == -signal.SIGKILL, f"it never came to {point}"
    await asyncio.sleep(0.5)  # the lease of the killed clean-up


@pytest.mark.parametrize(
    "point", ["acquire_if_unchanged.after_commit", "record_event.after_commit", "release_lease.before_commit"]
)
async def test_the_next_cleanup_completes_a_killed_resume(driver: StackDriver, fault_dir: Path, point: str) -> None:
    job_id = await make_unclaimed_job(driver, fault_dir)
    await run_killed_cleanup(driver, fault_dir, job_id, f"db.{point}")
    assert (await driver.repository.get_job(job_id)).status == Status.PENDING
    assert await deployment_runs(driver, job_id) == []
    await backdate_jobs(driver, job_id)
    assert (await run_cleanup(driver, dry_run=True))[job_id]["action"] == RecoveryAction.RESUME


@pytest.mark.parametrize("point", ["record_outcome.after_commit", "fail.before_commit", "fail.after_commit"])
async def test_the_next_cleanup_completes_a_killed_failure(driver: StackDriver, fault_dir: Path, point: str) -> None:
    job_id = await make_failed_lip_sync_job(driver, fault_dir)
    await run_killed_cleanup(driver, fault_dir, job_id, f"db.{point}")
    await backdate_jobs(driver, job_id)
    await run_cleanup(driver, dry_run=False)
    job = await driver.repository.get_job(job_id)
    assert job.status == Status.FAILED
    assert str(job.error_message).startswith("Lip-sync failed: ")
    assert (await cleanup_event_kinds(driver, job_id)).count("failed") == 1
    assert await submission_counts(driver, job_id) == (1, 0)


async def test_one_unprocessable_job_does_not_stop_the_others(driver: StackDriver, fault_dir: Path) -> None:
    bad, good = await make_failed_lip_sync_job(driver, fault_dir), await make_failed_lip_sync_job(driver, fault_dir)
    await execute_sql(
        driver, """UPDATE video_jobs SET connections = '{"storage": "no-such-block"}' WHERE id = :id""", bad
    )
    await backdate_jobs(driver, bad, good)
    state = await cleanup(make_config(dry_run=False), return_state=True)
    assert state.is_failed()
    assert (await driver.repository.get_job(bad)).status == Status.PROCESSING
    assert (await driver.repository.get_job(good)).status == Status.FAILED
    await execute_sql(driver, "DELETE FROM video_jobs WHERE id = :id", bad)


# ---- old test jobs ---------------------------------------------------------------------------------------------

TEST_USER = "load-test"


async def make_finished_test_job(
    driver: StackDriver, *, user: str = TEST_USER, days: int = 8, in_flight: bool = False
) -> str:
    """A job that failed this number of days ago, with two objects."""
    job_id = str(uuid4())
    request = parse_request(
        driver.make_small_request() | {"user_id": user}, access=AccessSettings(allow_local_files=True)
    )
    await driver.repository.create(job_id, request, actor="test")
    lease = Lease(job_id, "test/1")
    await driver.repository.acquire_lease(lease, 60)
    if in_flight:
        await driver.repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
    for name in ("inputs/video.mp4", f"pro_result_{job_id}.mp4"):
        driver.store.put_bytes(job_prefix(user, job_id) + name, b"some bytes", "video/mp4")
    await driver.repository.fail(lease, "a test")
    await driver.repository.release_lease(lease)
    ago = f"now() - interval '{days} days'"
    await execute_sql(driver, f"UPDATE video_jobs SET completed_at = {ago} WHERE id = :id", job_id)  # noqa: S608  # a constant of ours
    return job_id


async def remaining_data(driver: StackDriver, job_id: str, user: str = TEST_USER) -> tuple[bool, int]:
    """Whether the row exists, and the number of objects."""
    objects = len(list(driver.store.list_keys(job_prefix(user, job_id))))
    try:
        return (await driver.repository.get_job(job_id)) is not None, objects
    except UnknownJob:
        return False, objects


async def test_only_old_test_jobs_are_purged(driver: StackDriver) -> None:
    old = await make_finished_test_job(driver)
    young = await make_finished_test_job(driver, days=6)
    in_flight = await make_finished_test_job(driver, in_flight=True)
    customers = await make_finished_test_job(driver, user="ada")

    would = await run_cleanup(driver, dry_run=True, users=[TEST_USER])
    assert would[old]["action"] == "purge"
    assert await remaining_data(driver, old) == (True, 2)
    assert old not in await run_cleanup(driver, dry_run=False), "nobody was named whose jobs are tests"

    did = await run_cleanup(driver, dry_run=False, users=[TEST_USER])
    assert did[old]["done"] == "2 objects and the row deleted"
    assert await remaining_data(driver, old) == (False, 0)
    for job_id, user in ((young, TEST_USER), (in_flight, TEST_USER), (customers, "ada")):
        assert job_id not in did
        assert await remaining_data(driver, job_id, user) == (True, 2)


@pytest.mark.parametrize("point", ["store.delete.before", "store.delete.after", "db.purge.before_commit"])
async def test_the_next_cleanup_completes_a_killed_purge(driver: StackDriver, fault_dir: Path, point: str) -> None:
    job_id = await make_finished_test_job(driver)
    await run_killed_cleanup(driver, fault_dir, job_id, point)
    assert (await remaining_data(driver, job_id))[0], "the row goes last"
    await run_cleanup(driver, dry_run=False, users=[TEST_USER])
    assert await remaining_data(driver, job_id) == (False, 0)


# ---- the deployment --------------------------------------------------------------------------------------------


async def test_scheduled_cleanups_act_and_manual_ones_are_dry_runs(driver: StackDriver) -> None:
    await register(driver.environment)
    deployment = await driver.prefect.read_deployment_by_name("cleanup/cleanup")
    [schedule] = deployment.schedules
    assert (schedule.slug, schedule.parameters) == ("every-10-minutes", {"config": {"dry_run": False}})
    run = await driver.prefect.create_flow_run_from_deployment(deployment.id)
    ended = await driver.wait_for_run(run)
    assert ended.name == "look for stuck jobs"
    assert ended.state is not None
    assert ended.state.is_completed()
