"""The cost guard on the real stack: a job shows its expected cost first, and budgets reject it before payment."""

import json
from decimal import Decimal
from typing import Any

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from tests.acceptance.conftest import StackDriver
from videojobs.db import Lease, SubmissionState
from videojobs.providers.sync_so.client import SyncSoClient
from videojobs.states import RecoveryPoint, Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")

VENDOR_SOURCE = "Sync.so's own estimate"
PRICE_LIST_SOURCE = "price list"


async def cost_tables(driver: StackDriver, job_id: str) -> list[list[dict[str, Any]]]:
    """The contents of the run's cost artifact, oldest first."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[f"cost-{job_id}"]))
    found = await driver.prefect.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)
    return [json.loads(str(artifact.data)) for artifact in reversed(found)]


def priced_request(driver: StackDriver, *, areas: bool = True) -> dict[str, Any]:
    """Ten seconds of video: the short clip would cost almost nothing."""
    area = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.5, "end": 5}
    return driver.make_request(
        audio=[{"refId": "audio-2", "source": str(driver.sample.audio["audio-2"])}],
        segments=[{"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-2"}}],
        effects=[area] if areas else [],
    )


async def estimate_events(driver: StackDriver, job_id: str) -> list[Any]:
    return [event.detail for event in await driver.repository.list_events(job_id) if event.kind == "estimated"]


async def reopen_job(driver: StackDriver, job_id: str) -> None:
    """Reopen the job like an operator's `retry`, without a run: on the worker, it would not have this test's budget."""
    lease = Lease(job_id, "test/1")
    assert await driver.repository.acquire_lease(lease, seconds=60) is None
    await driver.repository.reopen(lease, {"decision": "retry", "reason": "a test"})
    await driver.repository.release_lease(lease)


async def test_a_job_records_its_estimate_before_any_purchase(driver: StackDriver, job_id: str) -> None:
    job = await driver.run_in_process(priced_request(driver), job_id)
    assert job.status == Status.COMPLETED
    assert job.estimate is not None
    assert (job.estimate["lip_sync"]["basis"], job.estimate["text_removal"]["basis"]) == (
        VENDOR_SOURCE,
        PRICE_LIST_SOURCE,
    )
    assert await estimate_events(driver, job_id) == [job.estimate]
    kinds = [event.kind for event in await driver.repository.list_events(job_id)]
    assert kinds.index("estimated") < kinds.index("intended")
    lip_sync, text_removal = await driver.repository.list_submissions(job_id)
    assert lip_sync.estimated_usd == Decimal(job.estimate["lip_sync"]["usd"]) > Decimal("0.1")
    assert (text_removal.estimated_points, text_removal.estimated_usd) == (Decimal(1), None)


async def test_the_run_shows_its_estimate_and_its_actual_cost(driver: StackDriver, job_id: str) -> None:
    job = await driver.run_in_process(priced_request(driver), job_id)
    assert job.estimate is not None
    before, after = await cost_tables(driver, job_id)
    assert [row["paid"] for row in before] == ["", "", ""]
    assert [(row["step"], row["by"]) for row in after] == [
        ("lip sync", VENDOR_SOURCE),
        ("text removal", PRICE_LIST_SOURCE),
        ("together", ""),
    ]
    assert after[0]["expected"] == f"{Decimal(job.estimate['lip_sync']['usd']).normalize():f} USD"
    assert [row["paid"] for row in after] == ["", "1 point", "1 point"]


@pytest.mark.parametrize(
    ("fault", "basis"),
    [
        ({"kind": "http_error", "status": 422}, PRICE_LIST_SOURCE),
        ({"kind": "http_error", "status": 503}, PRICE_LIST_SOURCE),
        ({"kind": "malformed"}, PRICE_LIST_SOURCE),
        ({"kind": "slow", "seconds": 30}, PRICE_LIST_SOURCE),
        ({"kind": "http_error", "status": 404, "times": 2}, PRICE_LIST_SOURCE),
        ({"kind": "http_error", "status": 404}, VENDOR_SOURCE),  # the older endpoint supports it
    ],
    ids=["unavailable", "down", "malformed", "slow", "missing", "moved"],
)
async def test_a_job_runs_without_a_vendor_estimate(
    driver: StackDriver, job_id: str, fault: dict[str, Any], basis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.estimate_cost.ESTIMATE_TIMEOUT_SECONDS", 2.0)
    await driver.inject_fault("sync_so", on="estimate", job_id="", **fault)  # an estimate request names no job
    job = await driver.run_in_process(priced_request(driver, areas=False), job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert job.estimate is not None
    assert job.estimate["lip_sync"]["basis"] == basis
    assert Decimal("0.3") < Decimal(job.estimate["lip_sync"]["usd"]) < Decimal("0.6")  # about 10 s at 0.05


@pytest.mark.parametrize(
    ("budget", "amount"),
    [("JOB_USD", "0.01"), ("JOB_POINTS", "0.5"), ("DAY_USD", "0"), ("DAY_POINTS", "0")],
)
async def test_a_job_over_budget_fails_before_any_purchase(
    driver: StackDriver, job_id: str, budget: str, amount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VIDEOJOBS_BUDGET_{budget}", amount)
    job = await driver.run_in_process(priced_request(driver), job_id)
    assert (job.status, job.recovery_point) == (Status.FAILED, RecoveryPoint.UPLOADED)
    assert str(job.error_message).startswith("Not bought, because it would exceed a budget: expected cost ")
    assert f"VIDEOJOBS_BUDGET_{budget}" in str(job.error_message)
    assert await driver.repository.list_submissions(job_id) == []
    assert (
        await driver.vendor_submissions("sync_so", job_id) == await driver.vendor_submissions("ghostcut", job_id) == []
    )
    assert len(await cost_tables(driver, job_id)) == 1  # it shows what the job would have cost


async def test_a_raised_budget_resumes_with_the_first_estimate(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "0.01")
    first = await driver.run_in_process(priced_request(driver, areas=False), job_id)
    await reopen_job(driver, job_id)
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "1")
    monkeypatch.setenv("VIDEOJOBS_PRICE_LIPSYNC_2", "100")
    monkeypatch.delattr(SyncSoClient, "estimate")  # no further request may be made
    again = await driver.run_in_process(priced_request(driver, areas=False), job_id)
    assert (again.status, again.error_message) == (Status.COMPLETED, None)
    assert await estimate_events(driver, job_id) == [first.estimate]
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1


async def test_a_daily_budget_hit_midway_offers_the_lip_sync(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.inject_fault("ghostcut", "ends", job_id, status=20)
    await driver.run_in_process(priced_request(driver), job_id)
    await reopen_job(driver, job_id)
    monkeypatch.setenv("VIDEOJOBS_BUDGET_DAY_POINTS", "0")
    job = await driver.run_in_process(priced_request(driver), job_id)
    assert (job.status, job.recovery_point) == (Status.FAILED, RecoveryPoint.LIP_SYNC_STORED)
    assert str(job.error_message).startswith("Text inpainting failed: Not bought, because it would exceed a budget: ")
    assert "wait until 00:00 UTC" in str(job.error_message)
    assert job.output_url == driver.store.uri(f"users/ada/jobs/{job_id}/pro_sync_result_{job_id}.mp4")
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_an_uncertain_lip_sync_is_not_dropped_for_a_budget(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "0")
    await driver.run_in_process(priced_request(driver, areas=False), job_id)
    await reopen_job(driver, job_id)
    lease = Lease(job_id, "test/2")
    assert await driver.repository.acquire_lease(lease, seconds=60) is None
    intent = await driver.repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
    await driver.repository.record_outcome(
        lease, intent.submission, SubmissionState.UNKNOWN, error="the answer was lost"
    )
    await driver.repository.release_lease(lease)
    job = await driver.run_in_process(priced_request(driver, areas=False), job_id)
    assert job.status == Status.PROCESSING
    assert "it is not known whether Sync.so accepted the submission" in str(job.parked_reason)
