"""What the parts of the front door share while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from deployments.gateway.backing import Backing
from deployments.gateway.buckets import Buckets
from deployments.gateway.incoming import Room
from deployments.gateway.settings import Door
from deployments.gateway.starting import Starter
from deployments.gateway.sweeping import sweep
from deployments.gateway.watching import Watch
from videojobs.ledger.connection import close_engines

log = logging.getLogger(__name__)


@dataclass
class Front:
    """One front door."""

    door: Door
    backing: Backing
    requests: Buckets = field(init=False)  # by token
    failures: Buckets = field(init=False)  # by address
    room: Room = field(init=False)
    starter: Starter = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.requests = Buckets(self.door.requests_per_minute)
        self.failures = Buckets(self.door.failures_per_minute)
        self.room = Room(uploads=self.door.uploads_at_once, parts=self.door.upload_parts)
        self.starter = Starter(self.backing)
        self.watch = Watch(self.backing.ledger, self.door)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """As long as the context lasts, what was taken in is started, and what was left behind is removed."""
        tasks = [
            asyncio.create_task(_again_and_again(self.starter.start_those_left_behind, self.door.start_again_seconds)),
            asyncio.create_task(
                _again_and_again(
                    lambda: sweep(self.backing, self.door.direct_upload_hours), self.door.sweep_minutes * 60
                )
            ),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.room.close()
            for end in (self.backing.runs.close, close_engines):
                with suppress(Exception):
                    await end()


async def _again_and_again(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    """For ever; what goes wrong once is tried again next time, and said once as long as it stays the same."""
    said = ""
    while True:
        try:
            await work()
            said = ""
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            if what != said:
                log.warning("Work beside the requests is not done now: %s", what)
            said = what
        await asyncio.sleep(seconds)


def front_of(request: Request) -> Front:
    """The one that the application was made with."""
    front: Front = request.app.state.front
    return front


TheFront = Annotated[Front, Depends(front_of)]
