"""The jobs of the version before, at every recovery point of both kinds, are finished by this version after `migrate`:
none is lost, and nothing is paid for twice.

What the old version left is data, in `old_database/`. A version that renames a table, a column or a value says so
below.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import httpx
import pytest

from deployments.local.sample import SampleFiles
from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from tests.acceptance.conftest import StackDriver
from tests.support.old_version import (
    BUCKET,
    DATA,
    PROCESSING_SECONDS,
    TOKEN,
    Row,
    Rows,
    allowed_values,
    read_rows,
    restore,
)
from videojobs.db import Submission, VideoJob
from videojobs.states import JobKind, RecoveryPoint, Stage, Status
from videojobs.storage.object_store import parse_uri

pytestmark = pytest.mark.timeout(600)

# ---- what this version calls otherwise than the old one ----------------------------------------------------------

TABLES: Final[Mapping[str, str]] = {}
"""The new name of a table."""
COLUMNS: Final[Mapping[str, str]] = {"video_submissions.candidate_id": "reported_vendor_id"}
"""The new name of a column, by its table's and its own old names: `"video_jobs.kind": "work"`."""
VALUES: Final[Mapping[str, Mapping[Any, Any]]] = {
    "video_jobs.recovery_point": {"understood": "analyzed"},
    "video_job_events.point": {"understood": "analyzed"},
    "video_job_events.kind": {
        "heard_of": "callback_received",
        "claimed": "lease_acquired",
        "cleaned_up": "cleanup_action",
        "accepted_too_late": "accepted_after_write_off",
    },
}
"""The new values of a column, by its old name as above, and by the old value."""


STATES: Final = {"video_jobs": ("kind", "status", "recovery_point"), "video_submissions": ("stage", "state")}
"""Columns of the old version that hold one of some values, by their old names."""


def to_new_row(table: str, row: Row) -> Row:
    """An old row as it has to be found in this version's database."""
    new: Row = {}
    for column, value in row.items():
        name = f"{table}.{column}"
        new[COLUMNS.get(name, column)] = VALUES[name].get(value, value) if name in VALUES else value
    return new


# ---- what has to become of each job ------------------------------------------------------------------------------


class Paid(NamedTuple):
    """Submissions on the vendors' own books."""

    sync_so: int
    ghostcut: int


NONE, LIP_SYNC, BOTH = Paid(0, 0), Paid(1, 0), Paid(1, 1)
TEXT_REMOVAL_AGAIN: Final = Paid(1, 2)

VIDEOS: Final = {
    "never-taken-up": BOTH,
    "fetching-its-inputs": BOTH,
    "inputs-stored": BOTH,
    "lip-sync-intended-never-sent": BOTH,
    "lip-sync-intended-and-taken": BOTH,
    "lip-sync-answer-lost": BOTH,
    "lip-sync-asked-to-wait": BOTH,
    "lip-sync-at-work": BOTH,
    "lip-sync-done-at-the-vendor": LIP_SYNC,
    "lip-sync-settled-and-not-moved-on": BOTH,
    "lip-sync-stored": BOTH,
    "lip-sync-stored-and-published": LIP_SYNC,
    "text-removal-intended-never-sent": BOTH,
    "text-removal-intended-and-taken": BOTH,
    "text-removal-taken-and-reported": BOTH,
    "text-removal-at-work": BOTH,
    "text-removal-done-at-the-vendor": BOTH,
    "text-removal-stored": BOTH,
    "written-off-and-to-be-bought-again": TEXT_REMOVAL_AGAIN,  # an operator has accepted the cost
}
"""Unfinished ones, and what they have cost in the end."""

LECTURES: Final = (
    "lecture-opened",
    "lecture-fetched",
    "lecture-transcribed",
    "lecture-slides-found",
    "lecture-understood",
    "lecture-documents-stored",
)
"""Unfinished ones."""

RETRIED: Final = {
    "parked": BOTH,  # GhostCut has the work: it is found in its list
    "failed-in-text-removal": TEXT_REMOVAL_AGAIN,  # the first one failed, and cost nothing
    "refused-by-sync-so": BOTH,
}
"""Those that an operator has to decide about, and what they have cost when they were retried."""

CANCELLED: Final = {"cancelled": BOTH}
"""Gone on with by a run that asks for the same once more."""

ENDED: Final = {
    "completed": BOTH,
    "completed-without-areas": LIP_SYNC,
    "lecture-completed": NONE,
    "refused-at-the-door": NONE,
}
"""Those that nothing more becomes of."""

FINISHED: Final = {**VIDEOS, **dict.fromkeys(LECTURES, NONE), **RETRIED, **CANCELLED}
ALL: Final = {**FINISHED, **ENDED}

SETTINGS: Final = {
    "S3_BUCKET": BUCKET,
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.5",
    "VIDEOJOBS_SLOTS_SYNC_SO": "100",  # no job waits for a slot
    "VIDEOJOBS_SLOTS_GHOSTCUT": "100",
}
FINISH_TIMEOUT: Final = 300.0
DOCUMENTS: Final = ("lecture.pdf", "slides.zip", "subtitles.srt", "subtitles.vtt")


@dataclass
class MigrationRun:
    """What there was to see, from the old database to the end."""

    driver: StackDriver
    old: Rows
    migrated: Rows
    after_cleanup: Rows  # when a clean-up had begun to go on with the jobs
    finished: Rows

    async def job(self, job_id: str) -> VideoJob:
        return await self.driver.repository.get_job(job_id)

    async def submissions(self, job_id: str, stage: Stage) -> list[Submission]:
        return [row for row in await self.driver.repository.list_submissions(job_id) if row.stage == stage]


@pytest.fixture(scope="module")
async def migration(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MigrationRun]:
    """On a stack of its own: the old version's database, bucket and vendors, and this version from then on."""
    folder = tmp_path_factory.mktemp("old-database")
    old, migrated = await restore(folder / "data")
    stack = Stack(
        data=folder / "data",
        environment=EMPTY_ENVIRONMENT,
        processing_seconds=PROCESSING_SECONDS,
        settings=SETTINGS,
        keep_data=False,
    )
    nothing = SampleFiles(DATA, {}, DATA, DATA)
    async with stack, prefect_client(stack.variables) as prefect:
        driver = StackDriver(stack, nothing, nothing, prefect, folder)
        database = stack.variables["DATABASE_URL"]
        await _run_cleanup(driver)
        after_cleanup = await asyncio.to_thread(read_rows, database)
        for vendor in ("sync_so", "ghostcut"):
            await driver.update_vendor_settings(vendor, processing_seconds=0.2)
        await _resolve_jobs(driver)
        await _wait_until_finished(driver)
        yield MigrationRun(driver, old, migrated, after_cleanup, await asyncio.to_thread(read_rows, database))


async def _run_cleanup(driver: StackDriver) -> None:
    """The one that comes every ten minutes, at once."""
    run = await driver.start_run({"config": {"dry_run": False, "batch_size": 100}}, deployment="cleanup/cleanup")
    ended = await driver.wait_for_run(run)
    assert ended.state is not None
    assert ended.state.is_completed(), ended.state.message


async def _resolve_jobs(driver: StackDriver) -> None:
    """What a person does about jobs that wait for one."""
    for job_id in RETRIED:
        decision = {"job_id": job_id, "decision": "retry", "reason": "the new version is here"}
        await driver.start_run(decision, deployment="decide/decide")
    for job_id in CANCELLED:
        await driver.start_run({**(await driver.repository.get_job(job_id)).request, "job_id": job_id})


async def _wait_until_finished(driver: StackDriver) -> None:
    deadline = asyncio.get_running_loop().time() + FINISH_TIMEOUT
    while asyncio.get_running_loop().time() < deadline:
        jobs = [await driver.repository.get_job(job_id) for job_id in FINISHED]
        if all(job.status == Status.COMPLETED for job in jobs):
            return
        await asyncio.sleep(1)


def _select_rows(rows: Rows, table: str, key: str, job_id: str) -> list[Row]:
    return [row for row in rows[TABLES.get(table, table)] if row[COLUMNS.get(f"{table}.{key}", key)] == job_id]


def _job_rows(rows: Rows, job_id: str) -> list[list[Row]]:
    """All that is known of a job."""
    tables = (("video_jobs", "id"), ("video_submissions", "job_id"), ("video_job_events", "job_id"))
    return [_select_rows(rows, table, key, job_id) for table, key in tables]


# ---- tests -------------------------------------------------------------------------------------------------------


async def test_the_data_covers_every_state_of_the_old_version(migration: MigrationRun) -> None:
    """Recovery points of both kinds, and what can become of a job or a submission: all that its own schema allows."""
    assert {job["id"] for job in migration.old["video_jobs"]} == ALL.keys()
    for table, columns in STATES.items():
        for column in columns:
            assert {row[column] for row in migration.old[table]} == allowed_values(column), column


async def test_every_column_keeps_its_meaning(migration: MigrationRun) -> None:
    for table, rows in migration.old.items():
        if table == "alembic_version":
            continue
        new = migration.migrated[TABLES.get(table, table)]
        assert len(new) == len(rows), table
        for row in rows:
            expected = to_new_row(table, row)
            assert any(expected == {name: found.get(name, ...) for name in expected} for found in new), (
                table,
                expected,
            )


async def test_ended_and_parked_jobs_are_left_alone(migration: MigrationRun) -> None:
    for job_id in (*RETRIED, *CANCELLED, *ENDED):
        assert _job_rows(migration.after_cleanup, job_id) == _job_rows(migration.migrated, job_id), job_id
    for job_id in ENDED:
        assert _job_rows(migration.finished, job_id) == _job_rows(migration.migrated, job_id), job_id


async def test_every_job_is_finished(migration: MigrationRun) -> None:
    jobs = [await migration.job(job_id) for job_id in FINISHED]
    stands = {job.id: (job.status, job.recovery_point, job.parked_reason, job.error_message) for job in jobs}
    assert stands == dict.fromkeys(FINISHED, (Status.COMPLETED, RecoveryPoint.COMPLETED, None, None))
    store = migration.driver.store
    keys = set(store.list_keys(""))
    for job in jobs:
        bucket, key = parse_uri(str(job.output_url))
        assert (bucket, key in keys) == (BUCKET, True), job.output_url
        if job.kind is JobKind.LECTURE:
            folder = key.rpartition("/")[0]
            assert {f"{folder}/{name}" for name in DOCUMENTS} <= keys, job.id


async def test_each_stage_of_each_job_is_paid_once(migration: MigrationRun) -> None:
    generations, works = [await migration.driver.vendor_submissions(vendor, "") for vendor in ("sync_so", "ghostcut")]
    taken = {job_id: Paid(len(_entries_of(job_id, generations)), len(_entries_of(job_id, works))) for job_id in ALL}
    assert taken == ALL
    assert len(generations) + len(works) == sum(map(sum, ALL.values())), "a vendor was given what belongs to no job"
    free = [work for work in works if not work["paid"]]
    assert (len(free), free) == (1, _entries_of("failed-in-text-removal", works)[:1])
    assert all(generation["cost"] > 0 for generation in generations)


def _entries_of(job_id: str, entries: list[Row]) -> list[Row]:
    """Of a vendor's entries those that name the job."""
    return [entry for entry in entries if f"/{job_id}/" in str(entry["request"])]


async def test_the_jobs_have_the_ids_of_the_vendors(migration: MigrationRun) -> None:
    """The ids on our books are the ones on theirs, and what they had been given before the new version came stayed."""
    for vendor, stage in (("sync_so", Stage.LIP_SYNC), ("ghostcut", Stage.TEXT_REMOVAL)):
        for job_id in FINISHED:
            theirs = [str(entry["id"]) for entry in await migration.driver.vendor_submissions(vendor, f"/{job_id}/")]
            ours = [row.vendor_id for row in await migration.submissions(job_id, stage) if row.vendor_id is not None]
            if job_id == "written-off-and-to-be-bought-again" and stage is Stage.TEXT_REMOVAL:
                theirs = theirs[1:]  # nobody knew of the first one, so an operator wrote it off
            assert sorted(ours) == sorted(theirs), job_id


async def test_callbacks_to_old_addresses_are_accepted(migration: MigrationRun) -> None:
    for vendor, job_id in (("sync_so", "lip-sync-at-work"), ("ghostcut", "text-removal-at-work")):
        [work] = await migration.driver.vendor_submissions(vendor, f"/{job_id}/")
        told = (await migration.driver.vendor_state(vendor))["notifications"]
        assert [each["outcome"] for each in told if each["subject"] == str(work["id"])] == ["200"], job_id


async def test_a_token_of_the_old_version_still_works(migration: MigrationRun) -> None:
    address = migration.driver.stack.address_of("api")
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        for job_id in ("completed", "lip-sync-at-work"):
            answer = await http.get(f"/api/v1/video-editors/pro-job/{job_id}/status")
            assert answer.status_code == 200, answer.text
            assert answer.json()["status"] == Status.COMPLETED
