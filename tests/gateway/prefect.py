"""Prefect as the front door deals with it, for tests that need no runs."""

import uuid
from collections.abc import Sequence
from uuid import UUID

from deployments.gateway.runs import Runs, Stopping
from videojobs.errors import Retryable
from videojobs.ledger import VideoJob

AWAY = Retryable("the Prefect server does not answer")


class PlayedPrefect(Runs):
    """Writes down what it is asked for."""

    def __init__(self) -> None:
        self.away_before = self.away_after = False  # the job is on the books
        self.started: list[str] = []
        self.went_on: list[tuple[str, object]] = []  # with what the real one makes the run's idempotency key of
        self.retried: list[str] = []
        self.stopped: list[str] = []
        self.at_work = False  # whether a worker has the runs that are to be stopped

    async def check(self) -> None:
        if self.away_before:
            raise AWAY

    async def start(self, job: VideoJob) -> UUID:
        if self.away_after:
            raise AWAY
        self.started.append(job.id)
        return uuid.uuid4()

    async def stop(self, job: VideoJob) -> Sequence[Stopping]:
        self.stopped.append(job.id)
        return [Stopping("run-1", ended=not self.at_work)]

    async def go_on(self, job: VideoJob) -> UUID:
        self.went_on.append((job.id, job.updated_at))
        return uuid.uuid4()

    async def retry(self, job: VideoJob, reason: str) -> UUID:
        self.retried.append(job.id)
        return uuid.uuid4()
