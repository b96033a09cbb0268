"""Aborts slow bodies: each holds a connection, and memory that others need."""

import asyncio
from collections.abc import AsyncIterator, Callable

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings


async def enforce_min_rate(
    stream: AsyncIterator[bytes], settings: ApiSettings, clock: Callable[[], float]
) -> AsyncIterator[bytes]:
    """The chunks of a body. Only time spent waiting for the client counts. Raises ApiError (408)."""
    waited_seconds, received_bytes = 0.0, 0
    chunks = aiter(stream)
    while True:
        began = clock()
        try:
            async with asyncio.timeout(settings.upload_stall_seconds):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise ApiError(408, f"Nothing was received for {settings.upload_stall_seconds:g} s.") from error
        waited_seconds, received_bytes = waited_seconds + clock() - began, received_bytes + len(chunk)
        if (
            waited_seconds > settings.upload_stall_seconds
            and received_bytes < waited_seconds * settings.min_upload_bytes_per_second
        ):
            raise ApiError(
                408, f"The upload is too slow; the minimum is {settings.min_upload_bytes_per_second} bytes a second."
            )
        yield chunk
