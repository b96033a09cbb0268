"""What both vendors' emulators are made of, whatever the vendor."""

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
    """Changeable while the program runs; changes are kept in the books."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    processing_seconds: float = Field(default=2.0, ge=0)
    pass_through: bool = False  # the result is the source as it came: for measurements, which look at no picture


SettingsT = TypeVar("SettingsT", bound=CommonSettings)
StoreT = TypeVar("StoreT", bound=SqliteStore)


class Emulator(Generic[StoreT, SettingsT]):
    """Books, settings, armed faults, a workshop, and a way into the network."""

    def __init__(self, options: ServerOptions, db: StoreT, settings: type[SettingsT], faults: FaultRegistry) -> None:
        self.base_url = options.base_url
        self.results = options.data / "results"
        self.scratch = options.data / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)  # what a killed program left half done
        for folder in (self.results, self.scratch):
            folder.mkdir(exist_ok=True)
        self.db = db
        self.faults = faults
        self.calls: Counter[str] = Counter()
        """How often each call was made since the program began, by the name that faults are aimed at."""
        self.settings = settings.model_validate(db.load_settings())
        self.runner = JobRunner(lambda: self.settings.processing_seconds)
        self.http_client = create_http_client()
        if options.processing_seconds is not None:
            self.update_settings({"processing_seconds": options.processing_seconds})

    def update_settings(self, changes: dict[str, object]) -> None:
        """Change settings, now and in the books. Raises pydantic's ValidationError and changes nothing."""
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
        """Go on with everything that the books hold as unfinished."""
        raise NotImplementedError

    def release_waiters(self) -> None:
        """The program is about to end: let go of everyone who waits for something."""

    async def close(self) -> None:
        await self.runner.close()
        await self.http_client.aclose()
        self.db.close()
