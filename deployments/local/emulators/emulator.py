"""What both vendors' emulators are made of, whatever the vendor."""

import shutil
from collections import Counter
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from deployments.local.emulators.faults import Endpoint, FaultBox
from deployments.local.emulators.fetching import open_network
from deployments.local.emulators.records import Records
from deployments.local.emulators.serving import Options
from deployments.local.emulators.workshop import Workshop


class CommonSettings(BaseModel):
    """Changeable while the program runs; changes are kept in the books."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    processing_seconds: float = Field(default=2.0, ge=0)
    pass_through: bool = False  # the result is the source as it came: for measurements, which look at no picture


SettingsT = TypeVar("SettingsT", bound=CommonSettings)
BooksT = TypeVar("BooksT", bound=Records)


class Emulator(Generic[BooksT, SettingsT]):
    """Books, settings, armed faults, a workshop, and a way into the network."""

    def __init__(self, options: Options, books: BooksT, settings: type[SettingsT], faults: FaultBox) -> None:
        self.base_url = options.base_url
        self.results = options.data / "results"
        self.scratch = options.data / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)  # what a killed program left half done
        for folder in (self.results, self.scratch):
            folder.mkdir(exist_ok=True)
        self.books = books
        self.faults = faults
        self.calls: Counter[str] = Counter()
        """How often each call was made since the program began, by the name that faults are aimed at."""
        self.settings = settings.model_validate(books.settings())
        self.workshop = Workshop(lambda: self.settings.processing_seconds)
        self.network = open_network()
        if options.processing_seconds is not None:
            self.change({"processing_seconds": options.processing_seconds})

    def change(self, changes: dict[str, object]) -> None:
        """Change settings, now and in the books. Raises pydantic's ValidationError and changes nothing."""
        self.settings = type(self.settings).model_validate(self.settings.model_dump() | changes)
        for name in changes:
            self.books.keep_setting(name, getattr(self.settings, name))
        self.workshop.clock_changed()

    def counted(self, name: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with each request counted."""

        async def counting(request: Request) -> Response:
            self.calls[name] += 1
            return await endpoint(request)

        return counting

    def resume(self) -> None:
        """Go on with everything that the books hold as unfinished."""
        raise NotImplementedError

    def leaving(self) -> None:
        """The program is about to end: let go of everyone who waits for something."""

    async def close(self) -> None:
        await self.workshop.close()
        await self.network.aclose()
        self.books.close()
