"""Run the main job once, from the Prefect API to the finished video; show its progress; stop the stack."""

import argparse
import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from deployments.local.commands.request_file import load_request_file
from deployments.local.quality.quality_report import measure_job, print_quality_report
from deployments.local.sample import write_sample
from deployments.local.stack.errors import StackError
from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.signals import cancel_on_signal
from deployments.local.stack.stack import Stack
from deployments.server.storage import object_store_from_env
from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from videojobs.db import JobRepository, VideoJob, get_engine
from videojobs.errors import UnknownJob
from videojobs.states import JobKind, Status
from videojobs.storage.object_store import comparison_image_key, result_key

DEPLOYMENT: Final = JOB_DEPLOYMENTS[JobKind.PRO_VIDEO]
POLL_INTERVAL = 0.3


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--video", type=Path, help="your own video (default: that of the request)")
    command.add_argument("--request", type=Path, help="your own request, a JSON file (default: a sample, made now)")


def run(options: argparse.Namespace) -> int:
    """0 when the job completed and its results could be fetched."""
    return asyncio.run(_run(options, Console()))


async def _run(options: argparse.Namespace, console: Console) -> int:
    stack = Stack(data=options.data)
    with cancel_on_signal(stack.force_stop) as interruption:
        try:
            return await _demo(options, stack, console)
        except StackError as error:
            console.print(f"\n{error}", style="red", markup=False, highlight=False)
            return 1
        except asyncio.CancelledError:
            console.print("Stopped. The data is kept.")
            return interruption.exit_code


async def _demo(options: argparse.Namespace, stack: Stack, console: Console) -> int:
    output: Path = options.data / "demo"
    sample = None if options.request else await asyncio.to_thread(write_sample, output / "sample")
    parameters = load_request_file(sample.request if sample else options.request, options.video)
    console.print("Starting the local stack ...")
    async with stack:
        async with prefect_client(stack.variables) as client:
            deployment = await client.read_deployment_by_name(DEPLOYMENT)
            flow_run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
            console.print(f"Flow run [b]{flow_run.name}[/]: {stack.ui_url}/runs/flow-run/{flow_run.id}")
            outcome = await _show_progress(client, stack, flow_run, console)
        if outcome.job is None:
            console.print(f"[red]The run ended before there was a job:[/] {outcome.message}")
            return 1
        _print_job(console, outcome.job)
        if outcome.job.status != Status.COMPLETED:
            return 1
        final = await _download_results(stack, outcome.job, output, console)
    if sample is None or options.video:
        return 0
    report = await asyncio.to_thread(
        measure_job, outcome.job, final, source=sample.video, clean=sample.clean, audio=sample.audio
    )
    print_quality_report(console, report)
    return int(bool(report.failures()))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The job when the run ended (None if the run never created it), and the run's state and message."""

    job: VideoJob | None
    message: str


async def _show_progress(client: PrefectClient, stack: Stack, flow_run: FlowRun, console: Console) -> _Outcome:
    """Show progress from the job's row until the run ends."""
    repository = JobRepository(get_engine(stack.variables["DATABASE_URL"]))
    bar = Progress(
        TextColumn("{task.percentage:>3.0f} %"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
    )
    with bar:
        progress_task = bar.add_task("Waiting for the worker ...", total=100)
        while True:
            state = (await client.read_flow_run(flow_run.id)).state
            job = None
            with suppress(UnknownJob):
                job = await repository.get_job(str(flow_run.id))
                bar.update(progress_task, completed=job.progress_percentage, description=job.progress_message)
            if state is not None and state.is_final():
                return _Outcome(job, f"{state.name}: {state.message}")
            await asyncio.sleep(POLL_INTERVAL)


def _print_job(console: Console, job: VideoJob) -> None:
    """The job's row, with the columns of the operators' queries."""
    table = Table("Column", Column("Value", overflow="fold"), title="The job's row in video_jobs")
    for name in ("id", "status", "progress_percentage", "progress_message", "zhaoli_task_id", "output_url"):
        table.add_row(name, str(getattr(job, name)))
    for name in ("ghostcut_task_id", "segments_count", "video_s3_url"):
        table.add_row(f"job_metadata->'{name}'", str(job.job_metadata.get(name)))
    if job.error_message:
        table.add_row("error_message", job.error_message, style="red")
    console.print(table)


async def _download_results(stack: Stack, job: VideoJob, output: Path, console: Console) -> Path:
    """Copy the results to files that remain when the stack has stopped."""
    store = object_store_from_env(stack.variables)
    final, picture = output / "final.mp4", output / "before_after.jpg"
    for key, file in ((result_key(job.user_id, job.id), final), (comparison_image_key(job.user_id, job.id), picture)):
        await asyncio.to_thread(store.download, key, file)
    console.print(f"The final video:          {final}")
    console.print(f"The before/after picture: {picture}")
    console.print("The stack stops now, and keeps the job. `make up` starts it again, with a page of each job.")
    return final
