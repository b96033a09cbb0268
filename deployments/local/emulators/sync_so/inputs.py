"""Fetches a generation's media and writes down what is to be made of them."""

import math
from pathlib import Path

import httpx

from deployments.local.emulators.fetching import NotFetched, Unresolvable, fetch
from deployments.local.emulators.sync_so.errors import Failure
from deployments.local.emulators.sync_so.media import Clip, Recipe, Room
from deployments.local.emulators.sync_so.settings import Settings
from deployments.local.emulators.sync_so.shapes import Audio, GenerateRequest, Segment, Text, Visual


async def gather(network: httpx.AsyncClient, request: GenerateRequest, folder: Path, settings: Settings) -> Recipe:
    """Fetch all media into the folder. Raises Failure where one cannot be had."""
    visual = request.visuals()[0]
    picture = await _fetch(network, visual, folder / "visual")
    sounds: dict[str | None, Path] = {}
    for number, item in enumerate(request.sounds()):
        sounds[item.ref_id] = await _fetch(network, item, folder / f"sound-{number}")
    clips = [_clip(request, segment, sounds) for segment in request.segments or []]
    if not clips:
        (whole,) = sounds.values()
        clips = [Clip(0.0, math.inf, request.mode_of(None), whole)]
    room = Room(settings.overhang, settings.least_gap)
    return Recipe(picture, visual.type == "image", clips, settings.segment_length, room)


async def fetch_visual(network: httpx.AsyncClient, request: GenerateRequest, folder: Path) -> Path:
    """Only the picture: enough to know how long it is."""
    return await _fetch(network, request.visuals()[0], folder / "visual")


def _clip(request: GenerateRequest, segment: Segment, sounds: dict[str | None, Path]) -> Clip:
    crop = segment.audio_input
    bounds = None
    if crop.start_time is not None and crop.end_time is not None:
        bounds = (crop.start_time, crop.end_time)
    mode = request.mode_of(segment)
    return Clip(segment.start_time, segment.end_time, mode, sounds[crop.ref_id], bounds)


async def _fetch(network: httpx.AsyncClient, item: Visual | Audio | Text, target: Path) -> Path:
    if isinstance(item, Text):
        raise Failure("elevenlabs_api_key_invalid")  # no voice is invented here
    try:
        await fetch(network, item.url or "", target)
    except (Unresolvable, NotFetched) as error:
        raise Failure(f"generation_input_{item.type}_inaccessible") from error
    return target
