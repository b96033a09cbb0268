"""Starts the runs of jobs that were taken in. One that Prefect does not take now is tried again until it does.

The job is in Postgres before its client hears of it. So whatever becomes of this process, it is started: by this door,
by the next one when it opens, and in the end by `cleanup`, which finds jobs that nobody has taken up.
"""

import logging
from typing import Final

from deployments.gateway.backing import Backing
from deployments.gateway.problems import AWAY
from videojobs.ledger import VideoJob
from videojobs.states import Status

_AT_ONCE: Final = 1000  # jobs that a door looks for when it opens

log = logging.getLogger(__name__)


class Starter:
    """One for each process; several of them do no harm, since asking twice gives the same run."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._left: set[str] = set()  # jobs without a run
        self._has_looked = False

    async def start(self, job: VideoJob) -> None:
        """Never fails: where Prefect is away, the job waits for `start_those_left_behind`."""
        try:
            run = await self._backing.runs.start(job)
        except AWAY as error:
            log.warning("Job %s: taken in, and started as soon as Prefect answers (%s)", job.id, type(error).__name__)
            self._left.add(job.id)
            return
        log.info("Job %s: taken in; flow run %s works on it", job.id, run)

    async def start_those_left_behind(self) -> None:
        """Raises what `start` swallows, so that the next ones are not tried while Prefect is away."""
        ledger = await self._backing.ledger()
        if not self._has_looked:
            self._left |= set(await ledger.unstarted(_AT_ONCE))
            self._has_looked = True
        wanted = set(self._left)
        jobs = await ledger.jobs_by_id(wanted) if wanted else {}
        self._left -= wanted - jobs.keys()  # purged meanwhile
        for job_id, job in jobs.items():
            if job.status == Status.PENDING:
                run = await self._backing.runs.start(job)
                log.info("Job %s: started late; flow run %s works on it", job_id, run)
            self._left.discard(job_id)
