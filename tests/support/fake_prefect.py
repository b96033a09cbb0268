"""A fake of the API's Prefect client, for tests that need no runs."""

import uuid
from collections.abc import Sequence
from uuid import UUID

from deployments.api.prefect_runs import PrefectRuns, StoppedRun
from videojobs.db import VideoJob
from videojobs.errors import RetryableError

PREFECT_UNAVAILABLE = RetryableError("the Prefect server does not answer")


class FakePrefect(PrefectRuns):
    """Records the calls it receives."""

    def __init__(self) -> None:
        self.down_before_start = self.down_at_start = False  # the job is already in the database
        self.started: list[str] = []
        self.resumed: list[tuple[str, object]] = []  # with the inputs of the real client's run idempotency key
        self.retried: list[str] = []
        self.stopped: list[str] = []
        self.has_running_worker = False  # whether a worker has the runs to stop

    async def ping(self) -> None:
        if self.down_before_start:
            raise PREFECT_UNAVAILABLE

    async def start(self, job: VideoJob) -> UUID:
        if self.down_at_start:
            raise PREFECT_UNAVAILABLE
        self.started.append(job.id)
        return uuid.uuid4()

    async def stop(self, job: VideoJob) -> Sequence[StoppedRun]:
        self.stopped.append(job.id)
        return [StoppedRun("run-1", has_ended=not self.has_running_worker)]

    async def resume(self, job: VideoJob) -> UUID:
        self.resumed.append((job.id, job.updated_at))
        return uuid.uuid4()

    async def retry(self, job: VideoJob, reason: str) -> UUID:
        self.retried.append(job.id)
        return uuid.uuid4()
