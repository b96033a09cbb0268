"""The local stack: all services that the product needs, on this machine, started and stopped in order."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from deployments.local.stack.connection_info import remove_connection_info, write_connection_info
from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.process_tags import data_dir_tag, kill_tagged
from deployments.local.stack.service import Service
from deployments.local.stack.service_graph import ALL_SERVICES, build_services
from deployments.local.stack.watchdog import Watchdog
from deployments.server.environment import REPOSITORY_ROOT, Environment

DEFAULT_DATA = REPOSITORY_ROOT / ".local"

ReadyCallback = Callable[[Service, float], None]
"""Called for each service when it is ready, with the seconds that its start took."""


class Stack:
    """`async with Stack(data=...) as stack:` starts it, and leaving the block always stops it.

    `services` are started with their dependencies (default: all). `environment` replaces services with external ones
    (default: the process's environment and `.env`). `processing_seconds` is how long a vendor emulator processes a job.
    `settings` are further variables of our processes (`VIDEOJOBS_...`, `PREFECT_...`). `keep_data=False` deletes the
    data at the end. Raises StackError after everything has stopped.
    """

    def __init__(
        self,
        *,
        data: Path = DEFAULT_DATA,
        environment: Environment | None = None,
        services: Iterable[str] = ALL_SERVICES,
        processing_seconds: float = 2.0,
        settings: Mapping[str, str] | None = None,
        keep_data: bool = True,
        on_ready: ReadyCallback = lambda _service, _seconds: None,
    ) -> None:
        self._data_dir = DataDir(data)
        self._environment = environment or Environment()
        self._selected = frozenset(services)
        self._processing_seconds = processing_seconds
        self._settings = settings or {}
        self._keep_data = keep_data
        self._on_ready = on_ready
        self._started_services: list[Service] = []
        self._watchdog: Watchdog | None = None
        self.services: list[Service] = []
        self.variables: Mapping[str, str] = {}
        """The environment of a client: addresses, credentials and settings. Valid while the stack runs."""

    @property
    def data(self) -> Path:
        return self._data_dir.root

    @property
    def ui_url(self) -> str:
        """The Prefect UI's address, if the Prefect server is one of the services."""
        return self.variables["PREFECT_API_URL"].rstrip("/").removesuffix("/api")

    @property
    def prefect_login(self) -> tuple[str, str] | None:
        """User and password of the Prefect server; None for an external one without a password."""
        user, colon, password = self.variables.get("PREFECT_API_AUTH_STRING", "").partition(":")
        return (user, password) if colon else None

    def address_of(self, service: str) -> str:
        return self._service(service).address

    def has_service(self, service: str) -> bool:
        """Whether the service was selected, or is a dependency."""
        return any(known.name == service for known in self.services)

    def override_variable(self, service: str) -> str | None:
        """The variable that names an external service; None for one of the stack's own."""
        return self._service(service).override_variable

    async def kill(self, service: str) -> None:
        """SIGKILL a service and everything that it started."""
        await self._service(service).kill()

    async def restart(self, service: str) -> None:
        """Kill and start a service, on the same port and data."""
        await self._service(service).kill()
        await self._service(service).start()

    def _service(self, name: str) -> Service:
        return next(service for service in self.services if service.name == name)

    async def __aenter__(self) -> Self:
        self._data_dir.__enter__()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        for log in self._data_dir.path("logs").glob("*.log"):
            log.unlink()
        # Processes that a killed stack left would hold our ports and our database.
        await asyncio.to_thread(kill_tagged, data_dir_tag(self._data_dir.root))
        process_factory = ProcessFactory(self._data_dir, self._environment)
        self.services, self.variables = build_services(
            self._environment,
            self._data_dir,
            process_factory,
            selected=self._selected,
            processing_seconds=self._processing_seconds,
            settings=self._settings,
        )
        self._watchdog = Watchdog(process_factory)
        await self._watchdog.start()
        await self._start_services()
        write_connection_info(self._data_dir, self.services, self.variables)

    async def _start_services(self) -> None:
        """Start each service as soon as its dependencies are ready. Raises the first failure."""
        ready = {service.name: asyncio.Event() for service in self.services}

        async def start(service: Service) -> None:
            for name in service.depends_on:
                await ready[name].wait()
            started_at = time.monotonic()
            self._started_services.append(service)
            await service.start()
            self._on_ready(service, time.monotonic() - started_at)
            ready[service.name].set()

        try:
            async with asyncio.TaskGroup() as group:
                for service in self.services:
                    group.create_task(start(service))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def raise_on_exit(self) -> None:
        """Never return; raise ServiceFailed when a service exits by itself. Services that we killed do not count."""
        processes = [service.process for service in self._started_services if service.process]
        pending = {asyncio.ensure_future(process.wait()) for process in processes}
        try:
            while pending:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for process in processes:
                    if process.exited_unexpectedly:
                        raise process.exit_error()
            await asyncio.Event().wait()  # external services only
        finally:
            for task in pending:
                task.cancel()

    def force_stop(self) -> None:
        """Kill every process now, whether the stack is starting, running or stopping."""
        if self._watchdog:
            self._watchdog.trigger()

    async def _stop(self) -> None:
        try:
            for service in reversed(self._started_services):
                await service.stop()
            if self._watchdog:
                await self._watchdog.trigger_and_wait()
        finally:
            self._started_services.clear()
            remove_connection_info(self._data_dir)
            if not self._keep_data:
                self._data_dir.delete()
            self._data_dir.__exit__()
