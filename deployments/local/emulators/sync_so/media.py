"""Reads a generation's media and builds its timeline; rejects media that do not fit the request."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from deployments.local.emulators import audio, video
from deployments.local.emulators.sync_so import timeline
from deployments.local.emulators.sync_so.errors import GenerationFailed, InvalidSegments
from deployments.local.emulators.video import UndecodableMedia

IMAGE_FRAME_RATE = Fraction(25)  # the vendor bills 25 frames per second


@dataclass(frozen=True, slots=True)
class SegmentClip:
    """A segment of the request: source seconds, mode, audio file, and its crop in seconds."""

    start: float
    end: float
    mode: timeline.SyncMode
    sound: Path
    crop: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class SegmentTolerance:
    """Seconds by which an end may exceed its file, and minimum seconds between two segments."""

    max_overhang: float
    min_gap: float


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """The input of a generation. A clip that ends at infinity lasts as long as the video."""

    visual: Path
    is_image: bool
    clips: Sequence[SegmentClip]
    segment_length: timeline.SegmentLength
    tolerance: SegmentTolerance


@dataclass(frozen=True, slots=True)
class DecodedMedia:
    """The decoded media: the index of the source frame at each step, and all audio.

    `facts` describe the source video; None for an image.
    """

    rate: Fraction
    frame_order: list[int]
    samples: audio.Samples
    source_info: video.VideoProperties | None = None


def decode_media(spec: RenderSpec) -> DecodedMedia:
    """Decode everything. Raises GenerationFailed with the vendor's code if the media do not fit the request."""
    if spec.is_image:
        return _decode_image(spec.clips[0])
    facts = probe_video(spec.visual)
    _check_segment_times(spec.clips, facts.duration, spec.tolerance)
    sounds = [_decode_clip_audio(clip, spec.tolerance) for clip in spec.clips]
    cues = [
        timeline.SegmentTiming(clip.start, min(clip.end, facts.duration), audio.duration_of(samples), clip.mode)
        for clip, samples in zip(spec.clips, sounds, strict=True)
    ]
    parts = timeline.build_pieces(cues, facts.duration, spec.segment_length)
    order = timeline.frame_order(parts, facts.rate, facts.frames)
    own = audio.decode_audio(spec.visual) if audio.has_audio(spec.visual) else audio.silence(0)
    return DecodedMedia(facts.rate, order, _mix_audio(parts, sounds, own), facts)


def probe_video(file: Path) -> video.VideoProperties:
    """The properties of a video. Raises GenerationFailed."""
    try:
        return video.probe(file)
    except UndecodableMedia as error:
        raise GenerationFailed("generation_input_video_invalid") from error


def _decode_image(clip: SegmentClip) -> DecodedMedia:
    """An image becomes a video as long as its audio; `sync_mode` has no effect (fact sheet 2)."""
    samples = _decode_audio(clip.sound)
    return DecodedMedia(IMAGE_FRAME_RATE, [0] * math.ceil(audio.duration_of(samples) * IMAGE_FRAME_RATE), samples)


def _decode_audio(file: Path) -> audio.Samples:
    try:
        return audio.decode_audio(file)
    except UndecodableMedia as error:
        raise GenerationFailed("generation_input_audio_invalid") from error


def _check_segment_times(clips: Sequence[SegmentClip], duration: float, tolerance: SegmentTolerance) -> None:
    """Reject segments past the end of the video, and segments that touch (fact sheet 15)."""
    if any(_is_past(clip.end, duration, tolerance) for clip in clips if not math.isinf(clip.end)):
        raise InvalidSegments
    ordered = sorted(clips, key=lambda clip: clip.start)
    if any(after.start - before.end < tolerance.min_gap - timeline.TIME_EPSILON for before, after in pairwise(ordered)):
        raise InvalidSegments


def _is_past(end: float, length: float, tolerance: SegmentTolerance) -> bool:
    return end > length + tolerance.max_overhang + timeline.TIME_EPSILON


def _decode_clip_audio(clip: SegmentClip, tolerance: SegmentTolerance) -> audio.Samples:
    """The cropped audio of a segment. Raises GenerationFailed if the crop exceeds its file."""
    samples = _decode_audio(clip.sound)
    if clip.crop is None:
        return samples
    start, end = clip.crop
    length = audio.duration_of(samples)
    if _is_past(end, length, tolerance) or start >= length:
        raise InvalidSegments
    return audio.slice_audio(samples, start, min(end, length))


def _mix_audio(
    parts: Sequence[timeline.OutputPiece], sounds: Sequence[audio.Samples], source_audio: audio.Samples
) -> audio.Samples:
    """The audio of all pieces in order, without accumulating rounding errors."""
    result = audio.silence(timeline.total_length(parts))
    begin = 0.0
    for part in parts:
        samples = audio.slice_audio(source_audio, part.start, part.end) if part.clip is None else sounds[part.clip]
        heard = audio.fit_duration(samples, part.audio_length)
        at = round(begin * audio.SAMPLE_RATE)
        room = result[:, at : at + heard.shape[1]]
        room[:] = heard[:, : room.shape[1]]
        begin += part.length
    return result
