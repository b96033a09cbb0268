"""The base of both vendors' emulators."""

import shutil
from collections import Counter
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from deployments.local.emulators.download import create_http_client
from deployments.local.emulators.faults import Endpoint, FaultRegistry
from deployments.local.emulators.job_runner import JobRunner
from deployments.local.emulators.server import ServerOptions
from deployments.local.emulators.sqlite_store import SqliteStore


class CommonSettings(BaseModel):
    """Changeable at run time; changes are stored in the database."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    processing_seconds: float = Field(default=2.0, ge=0)
    pass_through: bool = False  # the result is the unchanged source: for benchmarks


SettingsT = TypeVar("SettingsT", bound=CommonSettings)
StoreT = TypeVar("StoreT", bound=SqliteStore)


class Emulator(Generic[StoreT, SettingsT]):
    """Database, settings, armed faults, job runner and HTTP client of one emulator."""

    def __init__(self, options: ServerOptions, db: StoreT, settings: type[SettingsT], faults: FaultRegistry) -> None:
        self.base_url = options.base_url
        self.results = options.data / "results"
        self.scratch = options.data / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)  # left by a killed process
        for folder in (self.results, self.scratch):
            folder.mkdir(exist_ok=True)
        self.db = db
        self.faults = faults
        self.calls: Counter[str] = Counter()
        """The number of calls since the start, by the name that faults use in `on`."""
        self.settings = settings.model_validate(db.load_settings())
        self.runner = JobRunner(lambda: self.settings.processing_seconds)
        self.http_client = create_http_client()
        if options.processing_seconds is not None:
            self.update_settings({"processing_seconds": options.processing_seconds})

    def update_settings(self, changes: dict[str, object]) -> None:
        """Change and store settings. Raises pydantic's ValidationError and then changes nothing."""
        self.settings = type(self.settings).model_validate(self.settings.model_dump() | changes)
        for name in changes:
            self.db.save_setting(name, getattr(self.settings, name))
        self.runner.wake_waiters()

    def count_calls(self, name: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with each request counted."""

        async def counting(request: Request) -> Response:
            self.calls[name] += 1
            return await endpoint(request)

        return counting

    def resume(self) -> None:
        """Resume all unfinished jobs of the database."""
        raise NotImplementedError

    def release_waiters(self) -> None:
        """Called before shutdown: end all requests that wait for an event."""

    async def close(self) -> None:
        await self.runner.close()
        await self.http_client.aclose()
        self.db.close()
