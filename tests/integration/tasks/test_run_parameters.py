"""The parameters of a run that continues a job, after providers were installed or uninstalled."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from deployments.api.prefect_runs import PrefectRuns
from tasks.runtime import prefect_runs
from videojobs.db import VideoJob
from videojobs.states import JobKind, Status

STORED = {"database": "job-database", "storage": "mine", "sync_so": "sync-so", "ghostcut": "mine", "gone": "gone"}
SENT = {"database": "job-database", "storage": "mine", "ghostcut": "mine"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The parameters of the runs that were started."""
    found: list[dict[str, Any]] = []

    async def arun_deployment(name: str, *, parameters: dict[str, Any], **more: Any) -> SimpleNamespace:
        found.append(parameters)
        return SimpleNamespace(id=uuid4())

    monkeypatch.setattr(prefect_runs, "arun_deployment", arun_deployment)
    return found


def make_job(connections: dict[str, str], status: Status = Status.FAILED) -> VideoJob:
    return VideoJob(
        id="job-1",
        kind=JobKind.PRO_VIDEO,
        status=status,
        request={"user_id": "ada"},
        connections=connections,
        updated_at=datetime.now(UTC),
    )


async def test_a_continued_job_is_given_only_names_that_exist(started: list[dict[str, Any]]) -> None:
    """Prefect refuses a run with a name that its deployment does not know: the job could never start again."""
    assert isinstance(await prefect_runs.start_job_run(make_job(STORED), idempotency_key="1"), UUID)
    assert started == [{"user_id": "ada", "job_id": "job-1", "connections": SENT}]


async def test_an_account_of_a_provider_not_installed_here_is_kept(started: list[dict[str, Any]]) -> None:
    """The workers may have it: without the name, the run would charge the default account."""
    await prefect_runs.start_job_run(make_job({**STORED, "gone": "second-account"}), idempotency_key="1")
    assert started[0]["connections"] == {**SENT, "gone": "second-account"}


async def test_a_retried_job_is_given_only_names_that_exist(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_client(_: PrefectRuns) -> None:
        """No request reaches it."""

    monkeypatch.setattr(PrefectRuns, "_client", no_client)
    await PrefectRuns(5).retry(make_job(STORED), "a test")
    assert started[0]["connections"] == SENT


async def test_a_job_without_stored_names_uses_the_deployments(started: list[dict[str, Any]]) -> None:
    await prefect_runs.start_job_run(make_job({}), idempotency_key="1")
    assert "connections" not in started[0]
