"""Reads and writes moving pictures. They stay planar 4:2:0: a trip through RGB would change every pixel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

GoOn = Callable[[], None]
SQUARE = Fraction(1)
WHOLE = 0.98  # of the declared frames have to be there; containers round at the ends


class Unusable(Exception):
    """The file cannot be decoded as what it is meant to be."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """`frames` counts the slots of the constant-rate grid that the pictures are shown on; sizes are upright."""

    rate: Fraction
    frames: int
    width: int
    height: int
    pixel_aspect: Fraction = SQUARE

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.frames / self.rate)


def probe(file: Path) -> VideoFacts:
    """Read rate, length and size by walking through all packets. Raises Unusable."""
    try:
        with av.open(file) as container:
            stream = container.streams.video[0]
            first = next(container.decode(stream))
            container.seek(0)
            packets = [packet for packet in container.demux(stream) if packet.pts is not None]
            rate = stream.average_rate or stream.guessed_rate
            unit = stream.time_base
            if not rate or not unit or len(packets) < WHOLE * stream.frames:
                raise Unusable("the video has no readable frame rate or is cut off")
            aspect = stream.sample_aspect_ratio or SQUARE
    except (FFmpegError, IndexError, StopIteration) as error:
        raise Unusable(f"no readable video: {error}") from error
    picture = upright(first)
    # an edit list (a trimmed recording) hides packets that still have to be decoded
    shown = [packet.pts or 0 for packet in packets if not packet.is_discard]
    frames = round((max(shown) - min(shown)) * unit * rate) + 1
    turned = 1 / aspect if first.rotation % 180 else aspect
    return VideoFacts(rate, frames, picture.width, picture.height, turned)


def upright(frame: VideoFrame) -> VideoFrame:
    """The picture as a player shows it (turned), 8-bit 4:2:0, with even sides; its time stays."""
    turned = frame
    if frame.rotation % 360:
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), (frame.rotation % 360) // 90)
        turned = VideoFrame.from_ndarray(np.ascontiguousarray(pixels, np.uint8), format="rgb24")
    width, height = turned.width & ~1, turned.height & ~1
    plain = turned.reformat(width=width, height=height, format="yuv420p")
    plain.pts, plain.time_base = frame.pts, frame.time_base
    plain.pict_type = PictureType.NONE  # else the encoder would repeat the source's choice of key frames
    return plain


def pictures(file: Path, go_on: GoOn) -> Iterator[VideoFrame]:
    """All pictures in order, upright. Raises Unusable where decoding fails or many are missing."""
    expected = seen = 0
    try:
        with av.open(file) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                expected += packet.pts is not None and not packet.is_discard
                for frame in packet.decode():
                    go_on()
                    seen += 1
                    yield upright(frame)
    except (FFmpegError, IndexError) as error:
        raise Unusable(f"the video cannot be decoded: {error}") from error
    if not seen or seen < WHOLE * expected:
        raise Unusable("the video is damaged")


def pictures_on_grid(file: Path, facts: VideoFacts, go_on: GoOn) -> Iterator[VideoFrame]:
    """One picture for each slot of the constant-rate grid: the one that a player shows at that time."""
    slot, start = 0, None
    held: VideoFrame | None = None
    for frame in pictures(file, go_on):
        time = frame.time
        start = time if start is None else start
        while held is not None and slot < round((time - start) * facts.rate):
            yield held
            slot += 1
        held = frame
    while held is not None and slot < facts.frames:
        yield held
        slot += 1


def add_picture_track(
    film: OutputContainer, like: VideoFrame, rate: Fraction, crf: int, pixel_aspect: Fraction = SQUARE
) -> VideoStream:
    """An H.264 track for pictures of the size and colours of `like`."""
    options = {"crf": str(crf), "preset": "veryfast"}
    track = film.add_stream("libx264", rate=rate, options=options)
    track.width, track.height, track.pix_fmt = like.width, like.height, "yuv420p"
    track.codec_context.sample_aspect_ratio = pixel_aspect
    track.color_range, track.colorspace = like.color_range, like.colorspace
    track.color_primaries, track.color_trc = like.color_primaries, like.color_trc
    return track


def open_film(target: Path) -> OutputContainer:
    """A new MP4 with its index in front, so that players can start while it still comes."""
    return av.open(target, "w", format="mp4", options={"movflags": "faststart"})
