"""The flow of a deployment, imported once for all its runs."""

import asyncio
from functools import cache
from typing import Any

from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import get_current_settings


class UnrunnableFlow(Exception):
    """This deployment can never run here; the message says what to do."""


async def load_flow(entrypoint: str | None) -> Flow[..., Any]:
    """The flow. Raises UnrunnableFlow. Imports in a thread: that takes seconds, during which the worker must poll."""
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
        raise UnrunnableFlow(
            f"the flow {entrypoint} is not async; it would block all others. Use a process pool for it"
        )
    results = get_current_settings().results
    if flow.result_storage is None and results.default_storage_block is None:
        # Without a storage, Prefect's engine requests the default from the server at each start, in a call that blocks
        # all runs. A flow that persists no results still persists none, only the error that it raised.
        flow = flow.with_options(result_storage=results.local_storage_path, persist_result=bool(flow.persist_result))
    return flow
