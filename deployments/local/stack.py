"""The local stack: everything that the product needs, on this machine, started and stopped in order."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from deployments.environment import REPOSITORY, Environment
from deployments.local.addresses import remove_addresses, write_addresses
from deployments.local.assembly import EVERYTHING, assemble
from deployments.local.folder import Folder
from deployments.local.launcher import Launcher
from deployments.local.marking import end_marked, folder_mark
from deployments.local.part import Part
from deployments.local.watchdog import Watchdog

DEFAULT_DATA = REPOSITORY / ".local"

Report = Callable[[Part, float], None]
"""Told about each part when it is ready, with the seconds that it took."""


class Stack:
    """`async with Stack(data=...) as stack:` starts it, and leaving the block stops it, whatever happened.

    `wanted` names the parts to start; what they need comes along. The default is everything.
    `environment` swaps parts for given ones; the default reads the process's environment and `.env`.
    `processing_seconds` is how long each vendor emulator works on a job. `settings` are further variables for
    all that is ours (`VIDEOJOBS_...`, `PREFECT_...`). `keep=False` deletes the data at the end.
    Raises `StackError`; by then nothing runs any more.
    """

    def __init__(
        self,
        *,
        data: Path = DEFAULT_DATA,
        environment: Environment | None = None,
        wanted: Iterable[str] = EVERYTHING,
        processing_seconds: float = 2.0,
        settings: Mapping[str, str] | None = None,
        keep: bool = True,
        report: Report = lambda _part, _seconds: None,
    ) -> None:
        self._folder = Folder(data)
        self._environment = environment or Environment()
        self._wanted = frozenset(wanted)
        self._processing_seconds = processing_seconds
        self._settings = settings or {}
        self._keep = keep
        self._report = report
        self._started: list[Part] = []
        self._watchdog: Watchdog | None = None
        self.parts: list[Part] = []
        self.variables: Mapping[str, str] = {}
        """The environment of a client: addresses, credentials and settings. Valid as soon as the stack runs."""

    @property
    def data(self) -> Path:
        return self._folder.root

    @property
    def ui_url(self) -> str:
        """The Prefect UI, if the Prefect server is one of the parts."""
        return self.variables["PREFECT_API_URL"].rstrip("/").removesuffix("/api")

    @property
    def prefect_login(self) -> tuple[str, str] | None:
        """User and password of the Prefect server; None for a given one without."""
        user, colon, password = self.variables.get("PREFECT_API_AUTH_STRING", "").partition(":")
        return (user, password) if colon else None

    def address_of(self, part: str) -> str:
        return self._part(part).address

    def has(self, part: str) -> bool:
        """Whether the part is one of the wanted ones, or needed by one."""
        return any(known.name == part for known in self.parts)

    def given_by(self, part: str) -> str | None:
        """The variable by which the environment gives this part; None for one of the stack's own."""
        return self._part(part).given_by

    async def kill(self, part: str) -> None:
        """End a part and everything that it started with SIGKILL."""
        await self._part(part).kill()

    async def restart(self, part: str) -> None:
        """Start a part again, killed before or not, on the same port and data."""
        await self._part(part).kill()
        await self._part(part).start()

    def _part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    async def __aenter__(self) -> Self:
        self._folder.__enter__()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        for log in self._folder.path("logs").glob("*.log"):
            log.unlink()
        # What a killed stack left behind would hold our ports and, worse, our database.
        await asyncio.to_thread(end_marked, folder_mark(self._folder.root))
        launcher = Launcher(self._folder, self._environment)
        self.parts, self.variables = assemble(
            self._environment,
            self._folder,
            launcher,
            wanted=self._wanted,
            processing_seconds=self._processing_seconds,
            settings=self._settings,
        )
        self._watchdog = Watchdog(launcher)
        await self._watchdog.start()
        await self._start_parts()
        write_addresses(self._folder, self.parts, self.variables)

    async def _start_parts(self) -> None:
        """Start each part as soon as those that it needs are ready. The first failure is the one that is raised."""
        ready = {part.name: asyncio.Event() for part in self.parts}

        async def start(part: Part) -> None:
            for name in part.needs:
                await ready[name].wait()
            began = time.monotonic()
            self._started.append(part)
            await part.start()
            self._report(part, time.monotonic() - began)
            ready[part.name].set()

        try:
            async with asyncio.TaskGroup() as group:
                for part in self.parts:
                    group.create_task(start(part))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def watch(self) -> None:
        """Raise `PartFailed` when a part ends by itself, and never return. Parts killed through us don't count."""
        processes = [part.process for part in self._started if part.process]
        pending = {asyncio.ensure_future(process.ended()) for process in processes}
        try:
            while pending:
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for process in processes:
                    if process.ended_by_itself:
                        raise process.failure_of_end()
            await asyncio.Event().wait()  # only given parts
        finally:
            for task in pending:
                task.cancel()

    def hurry(self) -> None:
        """End every process now, from wherever the stack is: starting, running or stopping."""
        if self._watchdog:
            self._watchdog.release()

    async def _stop(self) -> None:
        try:
            for part in reversed(self._started):
                await part.stop()
            if self._watchdog:
                await self._watchdog.finish()
        finally:
            self._started.clear()
            remove_addresses(self._folder)
            if not self._keep:
                self._folder.erase()
            self._folder.__exit__()
