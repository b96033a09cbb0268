"""The launcher of pending runs: one job that cannot be started holds up no other."""

import uuid
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from prefect.exceptions import PrefectException

from deployments.api.background.run_launcher import RunLauncher
from deployments.api.services import Services
from videojobs.db import VideoJob
from videojobs.states import Status


class FakeServices:
    """A database with unclaimed jobs, and a Prefect server that refuses some of them."""

    def __init__(self, jobs: int, *, refused: set[str]) -> None:
        self.jobs = {f"job-{index}": VideoJob(id=f"job-{index}", status=Status.PENDING) for index in range(jobs)}
        self.refused = refused
        self.started: list[str] = []
        self.attempts = 0
        self.runs = self

    async def repository(self) -> "FakeServices":
        return self

    async def unclaimed_job_ids(self, limit: int) -> list[str]:
        return list(self.jobs)

    async def jobs_by_id(self, ids: list[str]) -> dict[str, VideoJob]:
        return {job_id: self.jobs[job_id] for job_id in ids}

    async def start(self, job: VideoJob) -> UUID:
        self.attempts += 1
        if job.id in self.refused:
            raise PrefectException("409: connections: 'acme' was unexpected")
        self.started.append(job.id)
        return uuid.uuid4()


def make_launcher(services: object) -> RunLauncher:
    return RunLauncher(cast(Services, SimpleNamespace(runs=services, repository=services.repository)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("refused", [1, 7], ids=["one", "more than may fail in a row"])
async def test_a_job_that_cannot_be_started_holds_up_no_other(refused: int) -> None:
    services = FakeServices(10, refused={f"job-{index}" for index in range(refused)})
    launcher = make_launcher(services)
    for _ in range(3):
        with pytest.raises(PrefectException):
            await launcher.launch_pending()
    assert sorted(services.started) == sorted(services.jobs.keys() - services.refused)


async def test_a_refused_job_starts_once_it_can() -> None:
    services = FakeServices(2, refused={"job-0"})
    launcher = make_launcher(services)
    with pytest.raises(PrefectException):
        await launcher.launch_pending()
    services.refused.clear()
    await launcher.launch_pending()
    assert services.started == ["job-1", "job-0"]


async def test_the_launcher_stops_early_while_prefect_is_down() -> None:
    services = FakeServices(100, refused={f"job-{index}" for index in range(100)})
    with pytest.raises(PrefectException):
        await make_launcher(services).launch_pending()
    assert services.attempts < 10
