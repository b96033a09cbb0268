"""Flows that do one thing each, for workers to run."""

import asyncio
import sys
import time
from collections import defaultdict
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from videojobs.aio.idle_signal import notify_idle

arrival_events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""The runs that have reached `meet`: visible only within one process."""


@flow
async def meet(me: str, other: str) -> None:
    """Ends when the other run has started too."""
    arrival_events[me].set()
    await arrival_events[other].wait()


async def remember(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Writes to Prefect's log of the run."""


@task
async def sleep_step(seconds: float) -> None:
    get_run_logger().info("hello from the step")
    await asyncio.sleep(seconds)


@flow(on_cancellation=[remember])
async def nap(seconds: float) -> None:
    """Waits in a task, and needs a moment to unwind."""
    try:
        get_run_logger().info("hello from the flow")
        await sleep_step(seconds)
    finally:
        await asyncio.sleep(0.3)
        get_run_logger().info("unwound")


@flow
async def nap_while_idle(seconds: float) -> None:
    """Waits like a job that waits for its vendor."""
    notify_idle()
    await asyncio.sleep(seconds)


@flow
async def misbehave(how: str) -> None:
    """Ends in a way that a flow should not."""
    match how:
        case "raise":
            raise ValueError("wrong on purpose")
        case "exit":
            sys.exit(3)
        case "exit in a task of its own":
            await asyncio.create_task(_exit_process())
        case "block":
            time.sleep(3)  # noqa: ASYNC251  # blocking is its purpose


async def _exit_process() -> None:
    sys.exit(4)


@flow
def not_async() -> None:
    """A flow that a single-loop worker cannot run."""


ALL_FLOWS = (meet, nap, nap_while_idle, misbehave, not_async)
