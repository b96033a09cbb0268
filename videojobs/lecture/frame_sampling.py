"""Samples a video's frames: the frame that a player shows at each fifth of a second."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videojobs.errors import InvalidMedia
from videojobs.lecture.progress import raise_if_cancelled
from videojobs.media.decoding import open_media
from videojobs.media.tracks import pixel_aspect_ratio, set_decoder_threads, video_track

SAMPLE_INTERVAL: Final = 0.2  # seconds; slide times must be right within half a second
_DECODER_THREADS: Final = 2  # each holds some frames, and speech recognition runs at the same time
_SKIP_FRAMES_FROM_RATE: Final = 15.0  # frames per second; from here on, non-reference frames are not decoded


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame and the time in which a player shows it, until the next sample. Seconds from the start of the file."""

    start: float
    end: float
    frame: VideoFrame
    pixel_aspect: float  # a pixel's width divided by its height


def sample_frames(path: Path, stop: Event, end_time: float = 0.0) -> Iterator[Sample]:
    """All samples, by the frames' own times: frame rates may be odd or vary, and a still may last minutes.

    The last sample lasts at least until `end_time`: if only changes are stored, the sound may outlast the last frame.
    Holds two frames. Skips undecodable ones. Raises InvalidMedia if none can be decoded, and WorkCancelled.
    """
    with open_media(path) as media:
        track = video_track(media.container)
        if track is None:
            raise InvalidMedia("the file has no video track; choose a video")
        yield from _select_samples(media.container, track, stop, end_time)


def _select_samples(container: InputContainer, track: VideoStream, stop: Event, end_time: float) -> Iterator[Sample]:
    """Holds each frame back: the time of the next one shows its duration."""
    origin = (container.start_time or 0) / av.time_base
    chosen: tuple[float, VideoFrame] | None = None  # waits for the next sample's start
    shown: tuple[float, VideoFrame] | None = None
    end = 0.0
    for frame in _decode_frames(container, track, stop):
        time = (frame.time or 0.0) - origin
        if shown and _contains_sample_time(shown[0], time):
            if chosen:
                yield Sample(chosen[0], shown[0], chosen[1], pixel_aspect_ratio(track))
            chosen = shown
        shown, end = (time, frame), time + _frame_duration(frame, track)
    if shown is None:
        raise InvalidMedia("no video frame can be decoded; export the file again")
    if chosen:
        yield Sample(chosen[0], shown[0], chosen[1], pixel_aspect_ratio(track))
    yield Sample(shown[0], max(end, end_time), shown[1], pixel_aspect_ratio(track))


def _contains_sample_time(start: float, end: float) -> bool:
    """Whether a multiple of SAMPLE_INTERVAL lies between the two times."""
    return math.ceil(start / SAMPLE_INTERVAL) < math.ceil(end / SAMPLE_INTERVAL)


def _decode_frames(container: InputContainer, track: VideoStream, stop: Event) -> Iterator[VideoFrame]:
    set_decoder_threads(track, _DECODER_THREADS)
    if float(track.average_rate or 0) >= _SKIP_FRAMES_FROM_RATE:
        track.codec_context.skip_frame = "NONREF"
    packets = container.demux(track)
    while True:
        raise_if_cancelled(stop)
        try:
            yield from (frame for frame in next(packets).decode() if isinstance(frame, VideoFrame))
        except StopIteration:
            return
        except av.InvalidDataError:
            continue


def _frame_duration(frame: VideoFrame, track: VideoStream) -> float:
    """Duration of the last frame in seconds."""
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / float(track.average_rate or 25)
