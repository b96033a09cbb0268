"""Downloads a generation's media, and builds its render spec."""

import math
from pathlib import Path

import httpx

from deployments.local.emulators.download import DownloadFailed, UnresolvableUrl, download
from deployments.local.emulators.sync_so.errors import GenerationFailed
from deployments.local.emulators.sync_so.media import RenderSpec, SegmentClip, SegmentTolerance
from deployments.local.emulators.sync_so.schemas import AudioInput, GenerateRequest, Segment, TextInput, VisualInput
from deployments.local.emulators.sync_so.settings import Settings


async def download_media(
    http_client: httpx.AsyncClient, request: GenerateRequest, folder: Path, settings: Settings
) -> RenderSpec:
    """Download all media into the folder. Raises GenerationFailed if one is unavailable."""
    visual = request.visual_inputs()[0]
    picture = await _download_input(http_client, visual, folder / "visual")
    sounds: dict[str | None, Path] = {}
    for number, item in enumerate(request.audio_inputs()):
        sounds[item.ref_id] = await _download_input(http_client, item, folder / f"sound-{number}")
    clips = [_to_segment_clip(request, segment, sounds) for segment in request.segments or []]
    if not clips:
        (whole,) = sounds.values()
        clips = [SegmentClip(0.0, math.inf, request.sync_mode_for(None), whole)]
    room = SegmentTolerance(settings.overhang, settings.least_gap)
    return RenderSpec(picture, visual.type == "image", clips, settings.segment_length, room)


async def download_visual(http_client: httpx.AsyncClient, request: GenerateRequest, folder: Path) -> Path:
    """Download only the video or image: enough for its duration."""
    return await _download_input(http_client, request.visual_inputs()[0], folder / "visual")


def _to_segment_clip(request: GenerateRequest, segment: Segment, sounds: dict[str | None, Path]) -> SegmentClip:
    crop = segment.audio_input
    bounds = None
    if crop.start_time is not None and crop.end_time is not None:
        bounds = (crop.start_time, crop.end_time)
    mode = request.sync_mode_for(segment)
    return SegmentClip(segment.start_time, segment.end_time, mode, sounds[crop.ref_id], bounds)


async def _download_input(
    http_client: httpx.AsyncClient, item: VisualInput | AudioInput | TextInput, target: Path
) -> Path:
    if isinstance(item, TextInput):
        raise GenerationFailed("elevenlabs_api_key_invalid")  # the emulator has no voices
    try:
        await download(http_client, item.url or "", target)
    except (UnresolvableUrl, DownloadFailed) as error:
        raise GenerationFailed(f"generation_input_{item.type}_inaccessible") from error
    return target
