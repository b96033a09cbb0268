"""`/readyz`: which dependencies respond, and whether vendors are configured. The log says what is wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from videojobs.errors import ConfigurationError
from videojobs.providers.registry import selection_problems

log = logging.getLogger(__name__)
router = APIRouter(tags=["operations"])


async def _check_postgres(services: Services) -> None:
    await (await services.repository()).ping()


async def _check_prefect(services: Services) -> None:
    await services.runs.ping()


async def _check_storage(services: Services) -> None:
    store = await services.store()
    await asyncio.to_thread(lambda: next(iter(store.list_keys("readyz/")), None))


async def _check_providers(_: Services) -> None:
    """Raises ConfigurationError where a setting names a provider that cannot serve its stage."""
    if problems := selection_problems():
        raise ConfigurationError("; ".join(problems))


CHECKS: Final[dict[str, Callable[[Services], Awaitable[None]]]] = {
    "postgres": _check_postgres,
    "prefect": _check_prefect,
    "storage": _check_storage,
    "providers": _check_providers,
}


class ReadinessProbe:
    """Runs each check once at a time, however many probes arrive: a slow dependency gets no further requests."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._services = services
        self._timeout_seconds = settings.readiness_timeout_seconds
        self._running_checks: dict[str, asyncio.Task[bool]] = {}

    async def check_all(self) -> dict[str, bool]:
        """Whether each dependency responds in time."""
        checks = {name: self._check_task(name) for name in CHECKS}
        await asyncio.wait(checks.values(), timeout=self._timeout_seconds)
        return {name: task.done() and task.result() for name, task in checks.items()}

    def _check_task(self, name: str) -> asyncio.Task[bool]:
        if name not in self._running_checks:
            task = self._running_checks[name] = asyncio.create_task(self._is_up(name))
            task.add_done_callback(lambda _: self._running_checks.pop(name))
        return self._running_checks[name]

    async def _is_up(self, name: str) -> bool:
        try:
            await CHECKS[name](self._services)
        except Exception as error:
            log.warning("Not ready: %s (%s: %s)", name, type(error).__name__, error)
            return False
        return True


@router.get("/readyz", responses={503: {"description": "A dependency is unavailable; the response names it."}})
async def readyz(request: Request) -> JSONResponse:
    """200 if all dependencies respond in time, else 503: `{"postgres": "up", "prefect": "unavailable", ...}`."""
    readiness: ReadinessProbe = request.app.state.readiness
    parts = await readiness.check_all()
    statuses = {name: "up" if is_up else "unavailable" for name, is_up in parts.items()}
    return JSONResponse(statuses, 200 if all(parts.values()) else 503)
