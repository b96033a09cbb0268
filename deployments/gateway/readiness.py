"""`/readyz`: whether all that the front door stands on answers, and which part does not. Why is for the log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from deployments.gateway.backing import Backing
from deployments.gateway.settings import Door

log = logging.getLogger(__name__)
router = APIRouter(tags=["operations"])


async def _postgres(backing: Backing) -> None:
    await (await backing.ledger()).check()


async def _prefect(backing: Backing) -> None:
    await backing.runs.check()


async def _storage(backing: Backing) -> None:
    store = await backing.store()
    await asyncio.to_thread(lambda: next(iter(store.keys("readyz/")), None))


CHECKS: Final[dict[str, Callable[[Backing], Awaitable[None]]]] = {
    "postgres": _postgres,
    "prefect": _prefect,
    "storage": _storage,
}


class Readiness:
    """Asks each part once at a time, however many want to know: whoever is slow is not asked again meanwhile."""

    def __init__(self, backing: Backing, door: Door) -> None:
        self._backing = backing
        self._seconds = door.ready_seconds
        self._asking: dict[str, asyncio.Task[bool]] = {}

    async def parts(self) -> dict[str, bool]:
        """Which part answers in time."""
        asking = {name: self._asked(name) for name in CHECKS}
        await asyncio.wait(asking.values(), timeout=self._seconds)
        return {name: task.done() and task.result() for name, task in asking.items()}

    def _asked(self, name: str) -> asyncio.Task[bool]:
        if name not in self._asking:
            task = self._asking[name] = asyncio.create_task(self._answers(name))
            task.add_done_callback(lambda _: self._asking.pop(name))
        return self._asking[name]

    async def _answers(self, name: str) -> bool:
        try:
            await CHECKS[name](self._backing)
        except Exception as error:
            log.warning("Not ready: %s (%s: %s)", name, type(error).__name__, error)
            return False
        return True


@router.get("/readyz", responses={503: {"description": "A part is away; the answer names it."}})
async def readyz(request: Request) -> JSONResponse:
    """200 when every part answers in time, else 503: `{"postgres": "up", "prefect": "away", "storage": "up"}`."""
    readiness: Readiness = request.app.state.readiness
    parts = await readiness.parts()
    told = {name: "up" if is_up else "away" for name, is_up in parts.items()}
    return JSONResponse(told, 200 if all(parts.values()) else 503)
