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
_MAX_FAILURES_IN_A_ROW: Final = 5  # then Prefect is unavailable, and the others would wait for the same time-out

log = logging.getLogger(__name__)


class RunLauncher:
    """One per process. Several processes may launch the same job: the idempotency key makes that one run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pending: dict[str, None] = {}  # jobs without a run, in the order in which they are started
        self._has_scanned = False

    async def launch(self, job: VideoJob) -> None:
        """Start the job's run. Never raises: while Prefect is unavailable, the job is left to `launch_pending`."""
        try:
            run = await self._services.runs.start(job)
        except DEPENDENCY_ERRORS as error:
            log.warning("Job %s accepted; its run starts once Prefect responds (%s)", job.id, type(error).__name__)
            self._pending[job.id] = None
            return
        log.info("Job %s accepted; flow run %s", job.id, run)

    async def launch_pending(self) -> None:
        """Start the runs that `launch` could not. Raises the last error if some could not be started again.

        A job that cannot be started goes to the end of the queue, so that it never holds up those behind it.
        """
        repository = await self._services.repository()
        if not self._has_scanned:
            self._pending |= dict.fromkeys(await repository.unclaimed_job_ids(_SCAN_LIMIT))
            self._has_scanned = True
        pending_ids = list(self._pending)
        jobs = await repository.jobs_by_id(pending_ids) if pending_ids else {}
        last_error: Exception | None = None
        failures_in_a_row = 0
        for job_id in pending_ids:
            del self._pending[job_id]
            job = jobs.get(job_id)
            if job is None or job.status != Status.PENDING:  # purged, or started in the meantime
                continue
            try:
                run = await self._services.runs.start(job)
            except Exception as error:
                log.warning("Job %s cannot be started yet (%s: %s)", job_id, type(error).__name__, error)
                self._pending[job_id] = None
                last_error, failures_in_a_row = error, failures_in_a_row + 1
                if failures_in_a_row >= _MAX_FAILURES_IN_A_ROW:
                    break
            else:
                log.info("Job %s started late; flow run %s", job_id, run)
                failures_in_a_row = 0
        if last_error is not None:
            raise last_error
