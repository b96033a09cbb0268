"""The subflow that runs only when there are annotation areas: GhostCut wipes them out of the lip-sync result."""

from prefect import flow

from tasks.runtime.concurrency import GHOSTCUT_WORKS, vendor_slot
from tasks.runtime.job_run import JobRun
from tasks.runtime.prefect_runs import TEXT_REMOVAL_FLOW, TEXT_REMOVAL_RUN_NAME_PREFIX
from tasks.text_removal import await_text_removal, store_text_removal, submit_text_removal


@flow(name=TEXT_REMOVAL_FLOW, flow_run_name=TEXT_REMOVAL_RUN_NAME_PREFIX + "{run.lease.job_id}")
async def remove_text(run: JobRun) -> None:
    """Submit the areas, wait for the work, store the final video."""
    async with vendor_slot(GHOSTCUT_WORKS):
        await submit_text_removal(run)
        await await_text_removal(run)
    await store_text_removal(run)
