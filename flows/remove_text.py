"""The subflow for jobs with annotation areas: text removal on the lip-sync result."""

from prefect import flow

from tasks.runtime.job_run import JobRun
from tasks.runtime.paid_stage import stage_slot
from tasks.runtime.prefect_runs import TEXT_REMOVAL_FLOW, TEXT_REMOVAL_RUN_NAME_PREFIX
from tasks.text_removal import await_text_removal, store_text_removal, submit_text_removal
from videojobs.states import Stage


@flow(name=TEXT_REMOVAL_FLOW, flow_run_name=TEXT_REMOVAL_RUN_NAME_PREFIX + "{run.lease.job_id}")
async def remove_text(run: JobRun) -> None:
    """Submit the areas, wait for the vendor, store the final video."""
    async with stage_slot(run, Stage.TEXT_REMOVAL):
        await submit_text_removal(run)
        await await_text_removal(run)
    await store_text_removal(run)
