"""Bodies that come too slowly are ended: each holds a connection, and memory that others need."""

import asyncio
from collections.abc import AsyncIterator, Callable

from deployments.gateway.problems import Refused
from deployments.gateway.settings import Door


async def paced(stream: AsyncIterator[bytes], door: Door, clock: Callable[[], float]) -> AsyncIterator[bytes]:
    """The pieces of a body. Only the time in which we wait for the client counts. Raises a refusal (408)."""
    waited, came = 0.0, 0
    pieces = aiter(stream)
    while True:
        began = clock()
        try:
            async with asyncio.timeout(door.upload_stall_seconds):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise Refused(408, f"Nothing came for {door.upload_stall_seconds:g} s.") from error
        waited, came = waited + clock() - began, came + len(piece)
        if waited > door.upload_stall_seconds and came < waited * door.upload_slowest:
            raise Refused(408, f"It comes too slowly; {door.upload_slowest} bytes a second are the least.")
        yield piece
