"""The cost guard on the real stack: what a job is expected to cost is told first, and budgets refuse before payment."""

import json
from decimal import Decimal
from typing import Any

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from tests.stack.conftest import Desk
from videojobs.ledger import Lease, SubmissionState
from videojobs.states import Point, Stage, Status
from videojobs.vendors.sync_so.client import SyncSoClient

pytestmark = pytest.mark.usefixtures("here")

VENDOR = "Sync.so's own estimate"
PRICE_LIST = "price list"


async def tables(desk: Desk, job_id: str) -> list[list[dict[str, Any]]]:
    """What the run's cost artifact showed, oldest first."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[f"cost-{job_id}"]))
    found = await desk.prefect.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)
    return [json.loads(str(artifact.data)) for artifact in reversed(found)]


def priced(desk: Desk, *, areas: bool = True) -> dict[str, Any]:
    """Ten seconds of video: the short clip would cost next to nothing."""
    area = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.5, "end": 5}
    return desk.request(
        audio=[{"refId": "audio-2", "source": str(desk.sample.audio["audio-2"])}],
        segments=[{"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-2"}}],
        effects=[area] if areas else [],
    )


async def estimates(desk: Desk, job_id: str) -> list[Any]:
    return [event.detail for event in await desk.ledger.events(job_id) if event.kind == "estimated"]


async def reopened(desk: Desk, job_id: str) -> None:
    """As an operator's `retry` does, without its run: that one would be a worker's, which knows no budget."""
    lease = Lease(job_id, "test/1")
    assert await desk.ledger.claim(lease, seconds=60) is None
    await desk.ledger.reopen(lease, {"decision": "retry", "reason": "a test"})
    await desk.ledger.release(lease)


async def test_a_job_says_what_it_is_expected_to_cost_before_anything_is_bought(desk: Desk, job_id: str) -> None:
    job = await desk.run_here(priced(desk), job_id)
    assert job.status == Status.COMPLETED
    assert job.estimate is not None
    assert (job.estimate["lip_sync"]["basis"], job.estimate["text_removal"]["basis"]) == (VENDOR, PRICE_LIST)
    assert await estimates(desk, job_id) == [job.estimate]
    kinds = [event.kind for event in await desk.ledger.events(job_id)]
    assert kinds.index("estimated") < kinds.index("intended")
    lip_sync, text_removal = await desk.ledger.submissions(job_id)
    assert lip_sync.estimated_usd == Decimal(job.estimate["lip_sync"]["usd"]) > Decimal("0.1")
    assert (text_removal.estimated_points, text_removal.estimated_usd) == (Decimal(1), None)


async def test_the_run_shows_the_estimate_and_in_the_end_what_was_paid(desk: Desk, job_id: str) -> None:
    job = await desk.run_here(priced(desk), job_id)
    assert job.estimate is not None
    before, after = await tables(desk, job_id)
    assert [row["paid"] for row in before] == ["", "", ""]
    assert [(row["step"], row["by"]) for row in after] == [
        ("lip sync", VENDOR),
        ("text removal", PRICE_LIST),
        ("together", ""),
    ]
    assert after[0]["expected"] == f"{Decimal(job.estimate['lip_sync']['usd']).normalize():f} USD"
    assert [row["paid"] for row in after] == ["", "1 point", "1 point"]


@pytest.mark.parametrize(
    ("fault", "basis"),
    [
        ({"kind": "http_error", "status": 422}, PRICE_LIST),
        ({"kind": "http_error", "status": 503}, PRICE_LIST),
        ({"kind": "malformed"}, PRICE_LIST),
        ({"kind": "slow", "seconds": 30}, PRICE_LIST),
        ({"kind": "http_error", "status": 404, "times": 2}, PRICE_LIST),
        ({"kind": "http_error", "status": 404}, VENDOR),  # the older address knows it
    ],
    ids=["unavailable", "down", "malformed", "slow", "missing", "moved"],
)
async def test_a_missing_estimate_stops_no_job(
    desk: Desk, job_id: str, fault: dict[str, Any], basis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.costs.ESTIMATE_SECONDS", 2.0)
    await desk.fault("sync_so", on="estimate", job_id="", **fault)  # an estimate names no job
    job = await desk.run_here(priced(desk, areas=False), job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert job.estimate is not None
    assert job.estimate["lip_sync"]["basis"] == basis
    assert Decimal("0.3") < Decimal(job.estimate["lip_sync"]["usd"]) < Decimal("0.6")  # about 10 s at 0.05


@pytest.mark.parametrize(
    ("budget", "amount"),
    [("JOB_USD", "0.01"), ("JOB_POINTS", "0.5"), ("DAY_USD", "0"), ("DAY_POINTS", "0")],
)
async def test_a_job_that_is_too_dear_fails_before_either_vendor_is_paid(
    desk: Desk, job_id: str, budget: str, amount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VIDEOJOBS_BUDGET_{budget}", amount)
    job = await desk.run_here(priced(desk), job_id)
    assert (job.status, job.point) == (Status.FAILED, Point.UPLOADED)
    assert str(job.error_message).startswith("Not bought, since it would go over a budget: expected cost ")
    assert f"VIDEOJOBS_BUDGET_{budget}" in str(job.error_message)
    assert await desk.ledger.submissions(job_id) == []
    assert await desk.paid("sync_so", job_id) == await desk.paid("ghostcut", job_id) == []
    assert len(await tables(desk, job_id)) == 1  # one sees what it would have cost


async def test_when_the_budget_is_raised_the_job_goes_on_with_its_first_estimate(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "0.01")
    first = await desk.run_here(priced(desk, areas=False), job_id)
    await reopened(desk, job_id)
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "1")
    monkeypatch.setenv("VIDEOJOBS_PRICE_LIPSYNC_2", "100")
    monkeypatch.delattr(SyncSoClient, "estimate")  # nobody asks again
    again = await desk.run_here(priced(desk, areas=False), job_id)
    assert (again.status, again.error_message) == (Status.COMPLETED, None)
    assert await estimates(desk, job_id) == [first.estimate]
    assert len(await desk.paid("sync_so", job_id)) == 1


async def test_a_day_that_is_used_up_between_the_stages_leaves_the_lip_sync_as_the_fallback(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.fault("ghostcut", "ends", job_id, status=20)
    await desk.run_here(priced(desk), job_id)
    await reopened(desk, job_id)
    monkeypatch.setenv("VIDEOJOBS_BUDGET_DAY_POINTS", "0")
    job = await desk.run_here(priced(desk), job_id)
    assert (job.status, job.point) == (Status.FAILED, Point.LIP_SYNC_STORED)
    assert str(job.error_message).startswith("Text inpainting failed: Not bought, since it would go over a budget: ")
    assert "wait until 00:00 UTC" in str(job.error_message)
    assert job.output_url == desk.store.uri(f"users/ada/jobs/{job_id}/pro_sync_result_{job_id}.mp4")
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_a_lip_sync_that_may_be_bought_is_not_given_up_for_a_budget(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "0")
    await desk.run_here(priced(desk, areas=False), job_id)
    await reopened(desk, job_id)
    lease = Lease(job_id, "test/2")
    assert await desk.ledger.claim(lease, seconds=60) is None
    intent = await desk.ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}")
    await desk.ledger.settle(lease, intent.submission, SubmissionState.UNKNOWN, error="the answer was lost")
    await desk.ledger.release(lease)
    job = await desk.run_here(priced(desk, areas=False), job_id)
    assert job.status == Status.PROCESSING
    assert "it is not known whether Sync.so took the submission" in str(job.parked_reason)
