"""Starts the runs of accepted jobs, and retries while Prefect is unavailable.

A job is committed to Postgres before its client gets a response. So its run is started even if this process dies: by
this process, by the next one when it starts, and at last by the `cleanup` deployment, which finds jobs without a run.
"""

import logging
from typing import Final

from deployments.api.errors import DEPENDENCY_ERRORS
from deployments.api.services import Services
from videojobs.db import VideoJob
from videojobs.states import Status

_SCAN_LIMIT: Final = 1000  # unclaimed jobs that a starting process looks up

log = logging.getLogger(__name__)


class RunLauncher:
    """One per process. Several processes may launch the same job: the idempotency key makes that one run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pending: set[str] = set()  # jobs without a run
        self._has_scanned = False

    async def launch(self, job: VideoJob) -> None:
        """Start the job's run. Never raises: while Prefect is unavailable, the job is left to `launch_pending`."""
        try:
            run = await self._services.runs.start(job)
        except DEPENDENCY_ERRORS as error:
            log.warning("Job %s accepted; its run starts once Prefect responds (%s)", job.id, type(error).__name__)
            self._pending.add(job.id)
            return
        log.info("Job %s accepted; flow run %s", job.id, run)

    async def launch_pending(self) -> None:
        """Start the runs that `launch` could not. Raises at the first failure: the others would fail the same way."""
        repository = await self._services.repository()
        if not self._has_scanned:
            self._pending |= set(await repository.unclaimed_job_ids(_SCAN_LIMIT))
            self._has_scanned = True
        pending_ids = set(self._pending)
        jobs = await repository.jobs_by_id(pending_ids) if pending_ids else {}
        self._pending -= pending_ids - jobs.keys()  # purged in the meantime
        for job_id, job in jobs.items():
            if job.status == Status.PENDING:
                run = await self._services.runs.start(job)
                log.info("Job %s started late; flow run %s", job_id, run)
            self._pending.discard(job_id)
