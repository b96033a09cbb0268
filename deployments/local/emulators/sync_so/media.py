"""Reads a generation's media and settles what comes when; refuses media that do not fit the request."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from deployments.local.emulators import sound, video
from deployments.local.emulators.sync_so import timeline
from deployments.local.emulators.sync_so.errors import Failure
from deployments.local.emulators.video import Unusable

END_TOLERANCE = 0.1  # seconds by which a segment or crop may overhang its file
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
class Recipe:
    """What a generation is made from. A clip that ends at infinity lasts as long as the video."""

    visual: Path
    is_image: bool
    clips: Sequence[Clip]
    segment_length: timeline.SegmentLength


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
    sounds = [_clip_sound(clip, facts.duration) for clip in recipe.clips]
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


def _clip_sound(clip: Clip, duration: float) -> sound.Samples:
    """The cropped sound of a segment, once both are known to lie within their files."""
    if not math.isinf(clip.end) and clip.end > duration + END_TOLERANCE:
        raise Failure("generation_input_segments_invalid")
    samples = _decode(clip.sound)
    if clip.crop is None:
        return samples
    start, end = clip.crop
    length = sound.seconds_of(samples)
    if end > length + END_TOLERANCE or start >= length:
        raise Failure("generation_input_trim_invalid")
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
