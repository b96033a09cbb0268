"""Starts a run that goes on with a job: the same deployment, the same request, the same job id."""

import time
from typing import Final
from uuid import UUID

from prefect.deployments import arun_deployment

from videojobs.ledger import VideoJob

DEPLOYMENT: Final = "pro-video/pro-video"
# Whoever asks for the same job in the same state within this time gets the same run; later, a run that was
# cancelled before it began does not stand in the way of another one.
ONE_RUN_EACH_SECONDS: Final = 300


async def run_again(job: VideoJob) -> UUID:
    """Gives the id of the flow run. Asked twice at once, it is one run; and of two runs one steps aside."""
    window = int(time.time() // ONE_RUN_EACH_SECONDS)
    found = await arun_deployment(
        DEPLOYMENT,
        parameters={**job.request, "job_id": job.id, **({"connections": job.connections} if job.connections else {})},
        timeout=0,
        as_subflow=False,
        idempotency_key=f"{job.id} {job.updated_at.isoformat()} {window}",
    )
    return found.id
