"""The flow `cleanup` on a database with every kind of stuck job, and on old test jobs."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

import videojobs.faults
from deployments.register import register
from flows.cleanup import CleanupConfig, PurgeConfig, cleanup
from tasks.slots import GHOSTCUT_WORKS, SYNC_SO_GENERATIONS
from tests.stack.conftest import Desk
from tests.stack.stuck_jobs import KINDS, MINUTES, age, make, sql
from tests.stack.test_acceptance import artifacts
from videojobs.intake import parse_request
from videojobs.ledger import Lease, UnknownJob
from videojobs.media.store import job_prefix
from videojobs.recovery import Kind
from videojobs.settings import Access
from videojobs.states import Stage, Status

pytestmark = [pytest.mark.usefixtures("here", "no_scheduled_cleanup"), pytest.mark.timeout(900)]

PLACES = (SYNC_SO_GENERATIONS, GHOSTCUT_WORKS)  # runs that were killed for other tests may have left some behind
Table = dict[str, dict[str, str]]  # rows of the report, by job


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fault points of this process strike for the jobs that have a file here."""
    monkeypatch.setattr(videojobs.faults, "_FOLDER", tmp_path)
    return tmp_path


def the_config(*, dry_run: bool, users: list[str] | None = None) -> CleanupConfig:
    """For the jobs of this file only: no others are as old."""
    purge = PurgeConfig(user_ids=users or [])
    return CleanupConfig(dry_run=dry_run, stuck_after_minutes=MINUTES, batch_size=100, purge=purge)


async def swept(desk: Desk, *, dry_run: bool, users: list[str] | None = None) -> Table:
    """One clean-up, called here; gives the table that it shows."""
    state = await cleanup(the_config(dry_run=dry_run, users=users), return_state=True)
    assert state.is_completed(), state.message
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    table = (await artifacts(desk, await desk.prefect.read_flow_run(run_id)))["table"]
    return {row["job"]: {name: unfolded(cell) for name, cell in row.items()} for row in json.loads(str(table.data))}


def unfolded(cell: str) -> str:
    return " ".join(cell.split())


async def as_it_stands(desk: Desk, job_id: str) -> object:
    """All that the ledger has of a job."""
    job, submissions = await desk.ledger.job(job_id), await desk.ledger.submissions(job_id)
    rows = [{column.key: getattr(row, column.key) for column in row.__table__.columns} for row in (job, *submissions)]
    return rows, len(await desk.ledger.events(job_id))


async def runs_of(desk: Desk, job_id: str) -> list[FlowRun]:
    """The runs of the deployment for this job; those of this process have no deployment."""
    latest = await desk.prefect.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=200)
    return [run for run in latest if run.deployment_id and run.parameters.get("job_id") == job_id]


async def paid(desk: Desk, job_id: str) -> tuple[int, int]:
    return len(await desk.paid("sync_so", job_id)), len(await desk.paid("ghostcut", job_id))


# ---- every kind of stuck job -----------------------------------------------------------------------------------


async def test_every_kind_of_stuck_job_gets_what_it_needs_and_nothing_is_paid_for_twice(
    desk: Desk, faults: Path
) -> None:
    jobs = {name: str(uuid4()) for name in KINDS}
    try:
        await make_all(desk, jobs, faults)
        before = [await as_it_stands(desk, job_id) for job_id in jobs.values()]
        would = await swept(desk, dry_run=True)
        assert [await as_it_stands(desk, job_id) for job_id in jobs.values()] == before
        did = await swept(desk, dry_run=False)
    finally:
        for vendor in ("sync_so", "ghostcut"):
            await desk.settings(vendor, processing_seconds=0.5)

    for report in (would, did):
        assert set(report) - set(PLACES) == set(jobs.values())
    wrong = [
        f"{name}: {report[job_id]}"
        for report in (would, did)
        for name, job_id in jobs.items()
        if report[job_id]["verdict"] != KINDS[name].verdict or KINDS[name].says not in report[job_id]["reason"]
    ]
    assert wrong == []
    for name, job_id in jobs.items():
        await has_ended_well(desk, name, job_id, did[job_id])


async def make_all(desk: Desk, jobs: dict[str, str], faults: Path) -> None:
    """Those of slow vendors come last, and Sync.so after GhostCut: all others have to get past it."""
    for name in sorted(jobs, key=lambda name: KINDS[name].slow):
        if KINDS[name].slow:
            await desk.settings(KINDS[name].slow, processing_seconds=3600)
        await make(desk, KINDS[name], jobs[name], faults)


async def has_ended_well(desk: Desk, name: str, job_id: str, row: dict[str, str]) -> None:
    kind = KINDS[name]
    if kind.verdict in (Kind.RESUME, Kind.COMPLETE):
        run_id = row["done"].removeprefix(f"[run started]({desk.stack.ui_url}/runs/flow-run/").removesuffix(")")
        await desk.ended(await desk.prefect.read_flow_run(UUID(run_id)))
    else:
        assert await runs_of(desk, job_id) == [] or name == "a run that waits for a worker"
    job = await desk.ledger.job(job_id)
    assert (job.status, job.lease_holder is None) == (kind.ends, name != "a run at work"), (name, job.error_message)
    assert await paid(desk, job_id) == kind.paid, name
    assert (job.parked_reason is not None) == (kind.verdict is Kind.PARK or name == "parked"), name
    assert (job.error_message or "").startswith(kind.message), name
    recorded = [event.detail for event in await desk.ledger.events(job_id) if event.kind == "cleaned_up"]
    told = [] if kind.verdict is Kind.LEAVE else [{"verdict": kind.verdict, "reason": row["reason"]}]
    assert recorded == told, name
    if name == "GhostCut failed":
        assert job.output_url == desk.store.uri(f"users/ada/jobs/{job_id}/pro_sync_result_{job_id}.mp4")
    if kind.ends == Status.COMPLETED:
        assert (await desk.final_video(job)).stat().st_size > 10_000


# ---- two at once, and killed ones ------------------------------------------------------------------------------


async def never_taken_up(desk: Desk, faults: Path) -> str:
    job_id = str(uuid4())
    await make(desk, KINDS["never taken up"], job_id, faults)
    return job_id


async def failed_at_sync_so(desk: Desk, faults: Path) -> str:
    job_id = str(uuid4())
    await make(desk, KINDS["Sync.so failed"], job_id, faults)
    return job_id


async def told(desk: Desk, job_id: str) -> list[str]:
    """What the events tell of clean-ups and of the job's own end, less that of its submission."""
    events = await desk.ledger.events(job_id)
    ours = [event for event in events if event.kind in ("cleaned_up", "failed")]
    return [event.kind for event in ours if "submission" not in (event.detail or {})]


async def test_two_clean_ups_at_once_start_one_run_and_fail_a_job_once(desk: Desk, faults: Path) -> None:
    resumed, failed = await never_taken_up(desk, faults), await failed_at_sync_so(desk, faults)
    await asyncio.gather(*(swept(desk, dry_run=False) for _ in range(2)))
    [run] = await runs_of(desk, resumed)
    await desk.ended(run)
    assert (await desk.ledger.job(resumed)).status == Status.COMPLETED
    assert await told(desk, failed) == ["cleaned_up", "failed"]
    assert await paid(desk, resumed) == await paid(desk, failed) == (1, 0)


async def killed(desk: Desk, faults: Path, job_id: str, point: str) -> None:
    """A clean-up in a process of its own, which dies at this point."""
    (faults / f"{job_id}.json").write_text(json.dumps({"point": point, "nth": 1, "action": "kill"}))
    (faults / f"{job_id}.passed").unlink(missing_ok=True)
    config = the_config(dry_run=False, users=[TESTER])
    program = (
        "import asyncio; from flows.cleanup import CleanupConfig, cleanup; "
        f"asyncio.run(cleanup(CleanupConfig.model_validate_json({config.model_dump_json()!r})))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={**desk.stack.variables, "VIDEOJOBS_FAULTS": str(faults), "VIDEOJOBS_LEASE_SECONDS": "0.5"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == -signal.SIGKILL, f"it never came to {point}"
    await asyncio.sleep(0.5)  # the dead one's lease


@pytest.mark.parametrize("point", ["hold.after_commit", "record.after_commit", "release.before_commit"])
async def test_a_clean_up_that_was_killed_before_it_started_the_run_is_made_good_by_the_next(
    desk: Desk, faults: Path, point: str
) -> None:
    job_id = await never_taken_up(desk, faults)
    await killed(desk, faults, job_id, f"ledger.{point}")
    assert (await desk.ledger.job(job_id)).status == Status.PENDING
    assert await runs_of(desk, job_id) == []
    await age(desk, job_id)
    assert (await swept(desk, dry_run=True))[job_id]["verdict"] == Kind.RESUME


@pytest.mark.parametrize("point", ["settle.after_commit", "fail.before_commit", "fail.after_commit"])
async def test_a_clean_up_that_was_killed_while_it_failed_a_job_is_made_good_by_the_next(
    desk: Desk, faults: Path, point: str
) -> None:
    job_id = await failed_at_sync_so(desk, faults)
    await killed(desk, faults, job_id, f"ledger.{point}")
    await age(desk, job_id)
    await swept(desk, dry_run=False)
    job = await desk.ledger.job(job_id)
    assert job.status == Status.FAILED
    assert str(job.error_message).startswith("Lip-sync failed: ")
    assert (await told(desk, job_id)).count("failed") == 1
    assert await paid(desk, job_id) == (1, 0)


async def test_one_job_that_cannot_be_dealt_with_does_not_stop_the_others(desk: Desk, faults: Path) -> None:
    bad, good = await failed_at_sync_so(desk, faults), await failed_at_sync_so(desk, faults)
    await sql(desk, """UPDATE video_jobs SET connections = '{"storage": "no-such-block"}' WHERE id = :id""", bad)
    await age(desk, bad, good)
    state = await cleanup(the_config(dry_run=False), return_state=True)
    assert state.is_failed()
    assert (await desk.ledger.job(bad)).status == Status.PROCESSING
    assert (await desk.ledger.job(good)).status == Status.FAILED
    await sql(desk, "DELETE FROM video_jobs WHERE id = :id", bad)


# ---- old test jobs ---------------------------------------------------------------------------------------------

TESTER = "load-test"


async def ended_test(desk: Desk, *, user: str = TESTER, days: int = 8, in_flight: bool = False) -> str:
    """A job that failed so many days ago, with two objects."""
    job_id = str(uuid4())
    request = parse_request(desk.small() | {"user_id": user}, access=Access(allow_local_files=True))
    await desk.ledger.open(job_id, request, actor="test")
    lease = Lease(job_id, "test/1")
    await desk.ledger.claim(lease, 60)
    if in_flight:
        await desk.ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}")
    for name in ("inputs/video.mp4", f"pro_result_{job_id}.mp4"):
        desk.store.put_bytes(job_prefix(user, job_id) + name, b"some bytes", "video/mp4")
    await desk.ledger.fail(lease, "a test")
    await desk.ledger.release(lease)
    ago = f"now() - interval '{days} days'"
    await sql(desk, f"UPDATE video_jobs SET completed_at = {ago} WHERE id = :id", job_id)  # noqa: S608  # our number
    return job_id


async def left_of(desk: Desk, job_id: str, user: str = TESTER) -> tuple[bool, int]:
    """Whether the row is there, and how many objects."""
    objects = len(list(desk.store.keys(job_prefix(user, job_id))))
    try:
        return (await desk.ledger.job(job_id)) is not None, objects
    except UnknownJob:
        return False, objects


async def test_rows_and_objects_of_old_test_jobs_are_purged_and_of_no_others(desk: Desk) -> None:
    old = await ended_test(desk)
    young = await ended_test(desk, days=6)
    in_flight = await ended_test(desk, in_flight=True)
    customers = await ended_test(desk, user="ada")

    would = await swept(desk, dry_run=True, users=[TESTER])
    assert would[old]["verdict"] == "purge"
    assert await left_of(desk, old) == (True, 2)
    assert old not in await swept(desk, dry_run=False), "nobody was named whose jobs are tests"

    did = await swept(desk, dry_run=False, users=[TESTER])
    assert did[old]["done"] == "2 objects and the row deleted"
    assert await left_of(desk, old) == (False, 0)
    for job_id, user in ((young, TESTER), (in_flight, TESTER), (customers, "ada")):
        assert job_id not in did
        assert await left_of(desk, job_id, user) == (True, 2)


@pytest.mark.parametrize("point", ["store.delete.before", "store.delete.after", "ledger.purge.before_commit"])
async def test_a_clean_up_that_was_killed_while_it_purged_a_job_is_made_good_by_the_next(
    desk: Desk, faults: Path, point: str
) -> None:
    job_id = await ended_test(desk)
    await killed(desk, faults, job_id, point)
    assert (await left_of(desk, job_id))[0], "the row goes last"
    await swept(desk, dry_run=False, users=[TESTER])
    assert await left_of(desk, job_id) == (False, 0)


# ---- the deployment --------------------------------------------------------------------------------------------


async def test_the_schedule_acts_and_the_form_only_looks_unless_it_is_told_otherwise(desk: Desk) -> None:
    await register(desk.environment)
    deployment = await desk.prefect.read_deployment_by_name("cleanup/cleanup")
    [schedule] = deployment.schedules
    assert (schedule.slug, schedule.parameters) == ("every-10-minutes", {"config": {"dry_run": False}})
    run = await desk.prefect.create_flow_run_from_deployment(deployment.id)
    ended = await desk.ended(run)
    assert ended.name == "look for stuck jobs"
    assert ended.state is not None
    assert ended.state.is_completed()
