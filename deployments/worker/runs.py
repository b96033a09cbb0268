"""The runs that this process has in hand. Everything here happens in their loop."""

import asyncio
from contextlib import AsyncExitStack, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.logging.loggers import flow_run_logger
from prefect.settings import (
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from deployments.worker.engine import Engine, Order
from deployments.worker.heart import Heart
from videojobs.at_rest import tell_when_at_rest

# From Pending to the flow's function it is a handful of requests. Prefect also hands out runs that are due in 10 s.
BEGINS_WITHIN_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Hand:
    engine: Engine
    task: asyncio.Task[None]


class Runs:
    """Starts runs, stops them, waits for them. They share one client of the Prefect server."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self._heart = Heart(heartbeat_seconds)
        self._in_hand: dict[UUID, _Hand] = {}
        self._shared = AsyncExitStack()
        self._context = Context()
        self._client: PrefectClient | None = None

    async def open(self) -> None:
        """Make what all runs share, in the context that each of them gets a copy of."""
        self._context = copy_context()
        await asyncio.create_task(self._share(), context=self._context)

    async def close(self) -> None:
        await asyncio.create_task(self._shared.aclose(), context=self._context)

    async def _share(self) -> None:
        settings: dict[Any, Any] = {
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # subflows need no thread either: their parent beats
            PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # a worker also starts while the server is away
        }
        self._shared.enter_context(temporary_settings(settings))
        self._shared.enter_context(SyncClientContext())  # Prefect's engine makes one for each run, and does not use it
        self._client = (await self._shared.enter_async_context(AsyncClientContext())).client

    async def start(self, flow: Flow[..., Any], flow_run: FlowRun, order: Order | None = None) -> None:
        """Returns when the run has begun, or ended, or waits for its time. With an order, it only gets its last state.

        Raises ParameterBindError.
        """
        engine = Engine.of(flow, flow_run)
        engine.order = order
        task = asyncio.create_task(self._live(engine), context=self._context.copy(), name=f"flow run {flow_run.id}")
        self._in_hand[flow_run.id] = _Hand(engine, task)
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.began.wait(), BEGINS_WITHIN_SECONDS)

    async def at_rest(self, run_id: UUID, seconds: float) -> None:
        """Wait until a run that was started waits for others itself, or is over; no longer than so many seconds."""
        if hand := self._in_hand.get(run_id):
            with suppress(TimeoutError):
                await asyncio.wait_for(hand.engine.at_rest.wait(), seconds)

    async def ended(self, run_id: UUID) -> None:
        """Wait for the end of a run that was started."""
        if hand := self._in_hand.get(run_id):
            await asyncio.wait([hand.task])

    async def stop(self, run_id: UUID, order: Order) -> None:
        """Stop a run where it is. A paid call that is under way comes to its end first (`tasks.submission`)."""
        if hand := self._in_hand.get(run_id):
            hand.engine.stop(order, hand.task)

    async def drain(self, seconds: float | None) -> None:
        """Give all runs so many seconds to end by themselves (None: as long as they want), and hand back the others."""
        if self._in_hand:
            await asyncio.wait([hand.task for hand in self._in_hand.values()], timeout=seconds)
        for hand in self._in_hand.values():
            hand.engine.stop(Order.HAND_BACK, hand.task)
        if self._in_hand:
            await asyncio.wait([hand.task for hand in self._in_hand.values()])

    async def _live(self, engine: Engine) -> None:
        """From start to end, whatever the flow raises: nothing of it gets to the other runs."""
        error: BaseException | None = None
        tell_when_at_rest(engine.at_rest.set)
        try:
            if engine.order is None:
                self._heart.begin(engine)
                await engine.drive()
        except BaseException as raised:
            error = raised
        try:
            await engine.settle(self._client_of_all, error)
        except Exception as failure:
            flow_run_logger(engine.run, engine.flow).error(
                "The server could not be told how this run ended: %s", failure
            )
        finally:
            self._heart.end(engine.run_id)
            del self._in_hand[engine.run_id]
            engine.began.set()
            engine.at_rest.set()

    @property
    def _client_of_all(self) -> PrefectClient:
        assert self._client is not None  # noqa: S101  # `open` has set it
        return self._client
