"""The flow of a deployment, imported once for all its runs."""

import asyncio
from functools import cache
from typing import Any

from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import get_current_settings


class UnrunnableFlow(Exception):
    """This deployment cannot be run here, however often it is tried; the message says what to do."""


async def load_flow(entrypoint: str | None) -> Flow[..., Any]:
    """The flow. Raises CannotRun. Imports in a thread: they take seconds, and the worker has to go on polling."""
    if entrypoint is None or ":" in entrypoint:
        raise UnrunnableFlow(
            f"a coroutine pool runs flows of installed packages; name one by its module (package.module.flow), "
            f"not by a file: {entrypoint}"
        )
    return await asyncio.to_thread(_import_flow, entrypoint)


@cache
def _import_flow(entrypoint: str) -> Flow[..., Any]:
    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    except Exception as error:
        raise UnrunnableFlow(
            f"the flow {entrypoint} cannot be imported here ({type(error).__name__}: {error})"
        ) from error
    if not flow.isasync or flow.isgenerator:
        raise UnrunnableFlow(f"the flow {entrypoint} is not async; it would stop all others. Use a process pool for it")
    results = get_current_settings().results
    if flow.result_storage is None and results.default_storage_block is None:
        # Prefect's engine would ask the server where results are kept, at each start, in a call that blocks all runs.
        # It asks no more when it is told. A flow that keeps no results still keeps none, only what it raised.
        flow = flow.with_options(result_storage=results.local_storage_path, persist_result=bool(flow.persist_result))
    return flow
