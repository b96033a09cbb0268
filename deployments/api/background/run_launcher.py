"""Starts the runs of jobs that were taken in. One that Prefect does not take now is tried again until it does.

The job is in Postgres before its client hears of it. So whatever becomes of this process, it is started: by this door,
by the next one when it opens, and in the end by `cleanup`, which finds jobs that nobody has taken up.
"""

import logging
from typing import Final

from deployments.api.errors import DEPENDENCY_ERRORS
from deployments.api.services import Services
from videojobs.db import VideoJob
from videojobs.states import Status

_SCAN_LIMIT: Final = 1000  # jobs that a door looks for when it opens

log = logging.getLogger(__name__)


class RunLauncher:
    """One for each process; several of them do no harm, since asking twice gives the same run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pending: set[str] = set()  # jobs without a run
        self._has_scanned = False

    async def launch(self, job: VideoJob) -> None:
        """Never fails: where Prefect is away, the job waits for `launch_pending`."""
        try:
            run = await self._services.runs.start(job)
        except DEPENDENCY_ERRORS as error:
            log.warning("Job %s: taken in, and started as soon as Prefect answers (%s)", job.id, type(error).__name__)
            self._pending.add(job.id)
            return
        log.info("Job %s: taken in; flow run %s works on it", job.id, run)

    async def launch_pending(self) -> None:
        """Raises what `start` swallows, so that the next ones are not tried while Prefect is away."""
        repository = await self._services.repository()
        if not self._has_scanned:
            self._pending |= set(await repository.unclaimed_job_ids(_SCAN_LIMIT))
            self._has_scanned = True
        pending_ids = set(self._pending)
        jobs = await repository.jobs_by_id(pending_ids) if pending_ids else {}
        self._pending -= pending_ids - jobs.keys()  # purged meanwhile
        for job_id, job in jobs.items():
            if job.status == Status.PENDING:
                run = await self._services.runs.start(job)
                log.info("Job %s: started late; flow run %s works on it", job_id, run)
            self._pending.discard(job_id)
