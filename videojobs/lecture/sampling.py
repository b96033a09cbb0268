"""Which pictures of a video are looked at: the one that a player shows at each fifth of a second."""

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
from videojobs.lecture.work import go_on
from videojobs.media.decoding import opened
from videojobs.media.tracks import aspect_of, picture_of, with_threads

STEP: Final = 0.2  # seconds; slides are to be found within half a second
_DECODER_THREADS: Final = 2  # each holds some pictures; speech is recognised at the same time
_ENOUGH_FRAMES: Final = 15.0  # a second; from here on, frames on which no other frame depends need not be decoded


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture and the time in which a player shows it, until the next sample: seconds from the start of the file."""

    start: float
    end: float
    frame: VideoFrame
    aspect: float  # width of a pixel in its heights


def samples(path: Path, stop: Event, until: float = 0.0) -> Iterator[Sample]:
    """All samples from start to end, by the frames' own times: rates may be odd or vary, and a still may last minutes.

    The last one is shown `until` that second at least: where only changes are stored, sound goes on behind it. Two
    frames are held. What cannot be decoded is left out. Raises InvalidMedia where nothing can, and Stopped.
    """
    with opened(path) as media:
        track = picture_of(media.container)
        if track is None:
            raise InvalidMedia("there is no moving picture in the file; choose a video")
        yield from _sampled(media.container, track, stop, until)


def _sampled(container: InputContainer, track: VideoStream, stop: Event, until: float) -> Iterator[Sample]:
    """Each frame is held back until the next one tells how long it is shown."""
    origin = (container.start_time or 0) / av.time_base
    chosen: tuple[float, VideoFrame] | None = None  # waits for the next sample's start
    shown: tuple[float, VideoFrame] | None = None
    end = 0.0
    for frame in _frames(container, track, stop):
        time = (frame.time or 0.0) - origin
        if shown and _is_sampled(shown[0], time):
            if chosen:
                yield Sample(chosen[0], shown[0], chosen[1], aspect_of(track))
            chosen = shown
        shown, end = (time, frame), time + _seconds(frame, track)
    if shown is None:
        raise InvalidMedia("no frame of the picture can be decoded; export it again")
    if chosen:
        yield Sample(chosen[0], shown[0], chosen[1], aspect_of(track))
    yield Sample(shown[0], max(end, until), shown[1], aspect_of(track))


def _is_sampled(start: float, end: float) -> bool:
    """Whether one of the instants at which samples are taken lies in this time."""
    return math.ceil(start / STEP) < math.ceil(end / STEP)


def _frames(container: InputContainer, track: VideoStream, stop: Event) -> Iterator[VideoFrame]:
    with_threads(track, _DECODER_THREADS)
    if float(track.average_rate or 0) >= _ENOUGH_FRAMES:
        track.codec_context.skip_frame = "NONREF"
    packets = container.demux(track)
    while True:
        go_on(stop)
        try:
            yield from (frame for frame in next(packets).decode() if isinstance(frame, VideoFrame))
        except StopIteration:
            return
        except av.InvalidDataError:
            continue


def _seconds(frame: VideoFrame, track: VideoStream) -> float:
    """How long the last frame is shown."""
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return 1 / float(track.average_rate or 25)
