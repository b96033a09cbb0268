"""Flows that do one thing each, for workers to run."""

import asyncio
import sys
import time
from collections import defaultdict
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from videojobs.at_rest import at_rest

arrived: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""Who has come to `meet`: seen only by those who run in the same process."""


@flow
async def meet(me: str, other: str) -> None:
    """Ends when the other one has come, too."""
    arrived[me].set()
    await arrived[other].wait()


async def remember(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's log of the run says that it is called."""


@task
async def one_step(seconds: float) -> None:
    get_run_logger().info("hello from the step")
    await asyncio.sleep(seconds)


@flow(on_cancellation=[remember])
async def nap(seconds: float) -> None:
    """Waits in a task, and needs a moment to unwind."""
    try:
        get_run_logger().info("hello from the flow")
        await one_step(seconds)
    finally:
        await asyncio.sleep(0.3)
        get_run_logger().info("unwound")


@flow
async def nap_at_rest(seconds: float) -> None:
    """As a job that waits for its vendor."""
    at_rest()
    await asyncio.sleep(seconds)


@flow
async def go_wrong(how: str) -> None:
    """Ends in a way in which a flow should not."""
    match how:
        case "raise":
            raise ValueError("wrong on purpose")
        case "exit":
            sys.exit(3)
        case "exit in a task of its own":
            await asyncio.create_task(_exit())
        case "block":
            time.sleep(3)  # noqa: ASYNC251  # this is what it is for


async def _exit() -> None:
    sys.exit(4)


@flow
def not_async() -> None:
    """What a worker of one loop cannot run."""


EVERY = (meet, nap, nap_at_rest, go_wrong, not_async)
