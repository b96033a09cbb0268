"""Renders a work's video: cleaned pictures with unchanged times and audio."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.container import OutputContainer
from av.video.frame import VideoFrame

from deployments.local.emulators import audio, video
from deployments.local.emulators.audio import AudioStreamCopier, AudioTrackWriter
from deployments.local.emulators.ghostcut.masks import TIME_EPSILON, Mask
from deployments.local.emulators.ghostcut.text_eraser import TextEraser
from deployments.local.emulators.video import CancelCheck, UndecodableMedia


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """How to render the source. `max_short_side` limits the size (pixels), `time_range` cuts (seconds)."""

    source: Path
    masks: Sequence[Mask]
    whole_frame: bool
    crf: int
    max_short_side: int
    time_range: tuple[float, float] | None


def render(check_cancelled: CancelCheck, spec: RenderSpec, target: Path) -> None:
    """Write the result. Raises UndecodableMedia."""
    facts = video.probe(spec.source)
    eraser = TextEraser(spec.masks, spec.whole_frame, facts.duration)
    start, end = spec.time_range or (0.0, float("inf"))
    frames = (
        picture
        for picture in video.read_frames(spec.source, check_cancelled)
        if start - TIME_EPSILON <= picture.time < end - TIME_EPSILON
    )
    first = next(frames, None)
    if first is None:
        raise UndecodableMedia("the requested range has no frames")
    with video.open_mp4_writer(target) as film:
        like = _limit_size(first, spec.max_short_side)
        track = video.add_video_track(film, like, facts.rate, spec.crf, facts.pixel_aspect)
        track.codec_context.time_base = first.time_base or 1 / facts.rate
        audio = _add_audio(film, spec)
        shift = first.pts if spec.time_range and first.pts else 0
        for picture in chain([first], frames):
            moment = picture.time
            cleaned = eraser.erase(_limit_size(picture, spec.max_short_side), moment)
            cleaned.pts = (picture.pts or 0) - shift
            film.mux(track.encode(cleaned))
            if audio:
                audio.write_until(moment - start)
        film.mux(track.encode(None))
        if audio:
            audio.close()


def _limit_size(picture: VideoFrame, max_short_side: int) -> VideoFrame:
    """Scale down to the maximum; never up."""
    short = min(picture.width, picture.height)
    if short <= max_short_side:
        return picture
    scale = Fraction(max_short_side, short)
    smaller = picture.reformat(
        width=_round_to_even(picture.width * scale), height=_round_to_even(picture.height * scale)
    )
    smaller.pts, smaller.time_base = picture.pts, picture.time_base
    return smaller


def _round_to_even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))


def _add_audio(output: OutputContainer, spec: RenderSpec) -> AudioStreamCopier | AudioTrackWriter | None:
    """Copy the audio if the container can hold it; re-encode excerpts and other codecs."""
    if not audio.has_audio(spec.source):
        return None
    if spec.time_range is None and audio.can_copy_audio(spec.source):
        return AudioStreamCopier(output, spec.source)
    samples = audio.decode_audio(spec.source)
    if spec.time_range is not None:
        start, end = spec.time_range
        samples = audio.slice_audio(samples, start, min(end, audio.duration_of(samples)))
    return AudioTrackWriter(output, samples)
