"""Reads a generation's media and settles what comes when; refuses media that do not fit the request."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from deployments.local.emulators import sound, video
from deployments.local.emulators.sync_so import timeline
from deployments.local.emulators.sync_so.errors import Failure, MisfitSegments
from deployments.local.emulators.video import Unusable

STILL_RATE = Fraction(25)  # the vendor bills 25 pictures per second


@dataclass(frozen=True, slots=True)
class Clip:
    """A segment of the request: source seconds, mode, sound file, and its crop in seconds."""

    start: float
    end: float
    mode: timeline.SyncMode
    sound: Path
    crop: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """Seconds by which an end may lie past its file, and seconds that have to lie between two segments."""

    overhang: float
    gap: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a generation is made from. A clip that ends at infinity lasts as long as the video."""

    visual: Path
    is_image: bool
    clips: Sequence[Clip]
    segment_length: timeline.SegmentLength
    room: Room


@dataclass(frozen=True, slots=True)
class Cut:
    """The media, read: the number of the source picture to show at each step, and the whole sound.

    `facts` are those of the source video, None for an image.
    """

    rate: Fraction
    order: list[int]
    samples: sound.Samples
    facts: video.VideoFacts | None = None


def cut(recipe: Recipe) -> Cut:
    """Read everything. Raises Failure with the vendor's code where the media refuse the request."""
    if recipe.is_image:
        return _still(recipe.clips[0])
    facts = probe(recipe.visual)
    _check_places(recipe.clips, facts.duration, recipe.room)
    sounds = [_clip_sound(clip, recipe.room) for clip in recipe.clips]
    cues = [
        timeline.Cue(clip.start, min(clip.end, facts.duration), sound.seconds_of(samples), clip.mode)
        for clip, samples in zip(recipe.clips, sounds, strict=True)
    ]
    parts = timeline.pieces(cues, facts.duration, recipe.segment_length)
    order = timeline.picture_order(parts, facts.rate, facts.frames)
    own = sound.decode(recipe.visual) if sound.has_sound(recipe.visual) else sound.silence(0)
    return Cut(facts.rate, order, _mixed(parts, sounds, own), facts)


def probe(file: Path) -> video.VideoFacts:
    """The facts of a video. Raises Failure."""
    try:
        return video.probe(file)
    except Unusable as error:
        raise Failure("generation_input_video_invalid") from error


def _still(clip: Clip) -> Cut:
    """An image becomes a video as long as its sound; `sync_mode` has no say (fact sheet 2)."""
    samples = _decode(clip.sound)
    return Cut(STILL_RATE, [0] * math.ceil(sound.seconds_of(samples) * STILL_RATE), samples)


def _decode(file: Path) -> sound.Samples:
    try:
        return sound.decode(file)
    except Unusable as error:
        raise Failure("generation_input_audio_invalid") from error


def _check_places(clips: Sequence[Clip], duration: float, room: Room) -> None:
    """Segments past the end of the video are refused, and such as touch (fact sheet 15)."""
    if any(_is_past(clip.end, duration, room) for clip in clips if not math.isinf(clip.end)):
        raise MisfitSegments
    ordered = sorted(clips, key=lambda clip: clip.start)
    if any(after.start - before.end < room.gap - timeline.SAME_MOMENT for before, after in pairwise(ordered)):
        raise MisfitSegments


def _is_past(end: float, length: float, room: Room) -> bool:
    return end > length + room.overhang + timeline.SAME_MOMENT


def _clip_sound(clip: Clip, room: Room) -> sound.Samples:
    """The cropped sound of a segment, once the crop is known to lie within its file."""
    samples = _decode(clip.sound)
    if clip.crop is None:
        return samples
    start, end = clip.crop
    length = sound.seconds_of(samples)
    if _is_past(end, length, room) or start >= length:
        raise MisfitSegments
    return sound.cut(samples, start, min(end, length))


def _mixed(parts: Sequence[timeline.Piece], sounds: Sequence[sound.Samples], own: sound.Samples) -> sound.Samples:
    """The sound of all pieces, one after the other, without the rounding of lengths adding up."""
    result = sound.silence(timeline.total(parts))
    begin = 0.0
    for part in parts:
        samples = sound.cut(own, part.start, part.end) if part.clip is None else sounds[part.clip]
        heard = sound.fitted(samples, part.sounding)
        at = round(begin * sound.RATE)
        room = result[:, at : at + heard.shape[1]]
        room[:] = heard[:, : room.shape[1]]
        begin += part.length
    return result
