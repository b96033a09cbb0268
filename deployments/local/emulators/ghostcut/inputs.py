"""Fetches a work's video, looks at it, and writes down what is to be made of it."""

import asyncio
from pathlib import Path

import httpx

from deployments.local.emulators import video
from deployments.local.emulators.fetching import NotFetched, Unresolvable, fetch
from deployments.local.emulators.ghostcut import statuses
from deployments.local.emulators.ghostcut.checks import OFF, WHOLE_FRAME
from deployments.local.emulators.ghostcut.masks import read_masks
from deployments.local.emulators.ghostcut.render import Recipe
from deployments.local.emulators.ghostcut.shapes import WorkRequest

LONGEST_SECONDS = 15 * 60
LARGEST_BYTES = 1000 * 2**20
DEFAULT_CRF = 14  # finer than the vendor's 17: what is not erased has to stay comparable pixel by pixel
SECONDS_PER_POINT = 60  # a 3-second and a 12-second clip both cost one point: the real unit is not known


class Failure(Exception):
    """A work cannot be made; `status` is the vendor's `processStatus`."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail


async def gather(network: httpx.AsyncClient, url: str, target: Path) -> float:
    """Fetch the source and return its length in seconds. Raises Failure."""
    if not url.isascii():
        raise Failure(statuses.URL_UNRESOLVED, "the URL contains characters that are not allowed")
    try:
        await fetch(network, url, target)
    except Unresolvable as error:
        raise Failure(statuses.URL_UNRESOLVED) from error
    except NotFetched as error:
        raise Failure(statuses.DOWNLOAD_FAILED) from error
    return await asyncio.to_thread(_measured, target)


def _measured(source: Path) -> float:
    """Seconds, of a video that the vendor takes."""
    if source.stat().st_size >= LARGEST_BYTES:
        raise Failure(statuses.TOO_LARGE)
    try:
        facts = video.probe(source)
    except video.Unusable as error:
        raise Failure(statuses.CORRUPT) from error
    if facts.duration > LONGEST_SECONDS:
        raise Failure(statuses.TOO_LONG)
    return facts.duration


def recipe(request: WorkRequest, source: Path) -> Recipe:
    """What a checked request asks for."""
    extra = request.extra()
    masks = read_masks(request.masks) if request.masks and request.mode != OFF else []
    return Recipe(
        source,
        masks,
        request.mode == WHOLE_FRAME,
        extra.write_options.crf or DEFAULT_CRF,
        int(request.resolution.removesuffix("p")),
        extra.range,
    )


def points(seconds: float) -> float:
    """What a work of that length costs."""
    return float(max(1, -(-seconds // SECONDS_PER_POINT)))
