"""Downloads and probes a work's video, and stores what to do with it."""

import asyncio
from pathlib import Path

import httpx

from deployments.local.emulators import video
from deployments.local.emulators.download import DownloadFailed, UnresolvableUrl, download
from deployments.local.emulators.ghostcut import statuses
from deployments.local.emulators.ghostcut.masks import read_masks
from deployments.local.emulators.ghostcut.render import RenderSpec
from deployments.local.emulators.ghostcut.schemas import WorkRequest
from deployments.local.emulators.ghostcut.validation import MODE_OFF, MODE_WHOLE_FRAME

MAX_SECONDS = 15 * 60
MAX_BYTES = 1000 * 2**20
DEFAULT_CRF = 14  # finer than the vendor's 17: tests compare the unchanged parts pixel by pixel
SECONDS_PER_POINT = 60  # a 3-second and a 12-second clip both cost one point: the real unit is unknown


class WorkFailed(Exception):
    """The work failed; `status` is the vendor's `processStatus`."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail


async def download_source(http_client: httpx.AsyncClient, url: str, target: Path) -> float:
    """Download the source and return its length in seconds. Raises WorkFailed."""
    if not url.isascii():
        raise WorkFailed(statuses.URL_UNRESOLVED, "the URL contains characters that are not allowed")
    try:
        await download(http_client, url, target)
    except UnresolvableUrl as error:
        raise WorkFailed(statuses.URL_UNRESOLVED) from error
    except DownloadFailed as error:
        raise WorkFailed(statuses.DOWNLOAD_FAILED) from error
    return await asyncio.to_thread(_validate_source, target)


def _validate_source(source: Path) -> float:
    """The length in seconds, if the vendor accepts the video. Raises WorkFailed."""
    if source.stat().st_size >= MAX_BYTES:
        raise WorkFailed(statuses.TOO_LARGE)
    try:
        facts = video.probe(source)
    except video.UndecodableMedia as error:
        raise WorkFailed(statuses.CORRUPT) from error
    if facts.duration > MAX_SECONDS:
        raise WorkFailed(statuses.TOO_LONG)
    return facts.duration


def to_render_spec(request: WorkRequest, source: Path) -> RenderSpec:
    """The render spec of a validated request."""
    extra = request.parsed_options()
    masks = read_masks(request.masks) if request.masks and request.mode != MODE_OFF else []
    return RenderSpec(
        source,
        masks,
        request.mode == MODE_WHOLE_FRAME,
        extra.write_options.crf or DEFAULT_CRF,
        int(request.resolution.removesuffix("p")),
        extra.range,
    )


def cost_in_points(seconds: float) -> float:
    """The cost of a work of this length."""
    return float(max(1, -(-seconds // SECONDS_PER_POINT)))
