"""Reads and writes video. Frames stay planar 4:2:0: a conversion to RGB and back would change every pixel."""

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

CancelCheck = Callable[[], None]
SQUARE_PIXELS = Fraction(1)
COMPLETE_RATIO = 0.98  # of the declared frames must exist; containers round at the ends


class UndecodableMedia(Exception):
    """The file cannot be decoded as the expected kind of media."""


@dataclass(frozen=True, slots=True)
class VideoProperties:
    """`frames` counts the slots of the constant-rate grid; sizes are those of upright frames."""

    rate: Fraction
    frames: int
    width: int
    height: int
    pixel_aspect: Fraction = SQUARE_PIXELS

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.frames / self.rate)


def probe(file: Path) -> VideoProperties:
    """Read rate, length and size from all packets. Raises UndecodableMedia."""
    try:
        with av.open(file) as container:
            stream = container.streams.video[0]
            first = next(container.decode(stream))
            container.seek(0)
            packets = [packet for packet in container.demux(stream) if packet.pts is not None]
            rate = stream.average_rate or stream.guessed_rate
            unit = stream.time_base
            if not rate or not unit or len(packets) < COMPLETE_RATIO * stream.frames:
                raise UndecodableMedia("the video has no readable frame rate or is cut off")
            aspect = stream.sample_aspect_ratio or SQUARE_PIXELS
    except (FFmpegError, IndexError, StopIteration) as error:
        raise UndecodableMedia(f"no readable video: {error}") from error
    picture = to_upright(first)
    # an edit list (a trimmed recording) hides packets that must still be decoded
    shown = [packet.pts or 0 for packet in packets if not packet.is_discard]
    frames = round((max(shown) - min(shown)) * unit * rate) + 1
    turned = 1 / aspect if first.rotation % 180 else aspect
    return VideoProperties(rate, frames, picture.width, picture.height, turned)


def to_upright(frame: VideoFrame) -> VideoFrame:
    """The frame as players show it (rotated), 8-bit 4:2:0, with even sides and the same time."""
    turned = frame
    if frame.rotation % 360:
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), (frame.rotation % 360) // 90)
        turned = VideoFrame.from_ndarray(np.ascontiguousarray(pixels, np.uint8), format="rgb24")
    width, height = turned.width & ~1, turned.height & ~1
    plain = turned.reformat(width=width, height=height, format="yuv420p")
    plain.pts, plain.time_base = frame.pts, frame.time_base
    plain.pict_type = PictureType.NONE  # else the encoder would copy the source's key frames
    return plain


def read_frames(file: Path, check_cancelled: CancelCheck) -> Iterator[VideoFrame]:
    """All frames in order, upright. Raises UndecodableMedia if decoding fails or many are missing."""
    expected = seen = 0
    try:
        with av.open(file) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for packet in container.demux(stream):
                expected += packet.pts is not None and not packet.is_discard
                for frame in packet.decode():
                    check_cancelled()
                    seen += 1
                    yield to_upright(frame)
    except (FFmpegError, IndexError) as error:
        raise UndecodableMedia(f"the video cannot be decoded: {error}") from error
    if not seen or seen < COMPLETE_RATIO * expected:
        raise UndecodableMedia("the video is damaged")


def read_constant_rate_frames(file: Path, facts: VideoProperties, check_cancelled: CancelCheck) -> Iterator[VideoFrame]:
    """One frame for each slot of the constant-rate grid: the one that a player shows at that time."""
    slot, start = 0, None
    held: VideoFrame | None = None
    for frame in read_frames(file, check_cancelled):
        time = frame.time
        start = time if start is None else start
        while held is not None and slot < round((time - start) * facts.rate):
            yield held
            slot += 1
        held = frame
    while held is not None and slot < facts.frames:
        yield held
        slot += 1


def add_video_track(
    output: OutputContainer, sample_frame: VideoFrame, rate: Fraction, crf: int, pixel_aspect: Fraction = SQUARE_PIXELS
) -> VideoStream:
    """An H.264 track for frames of the size and colours of `like`."""
    options = {"crf": str(crf), "preset": "veryfast"}
    track = output.add_stream("libx264", rate=rate, options=options)
    track.width, track.height, track.pix_fmt = sample_frame.width, sample_frame.height, "yuv420p"
    track.codec_context.sample_aspect_ratio = pixel_aspect
    track.color_range, track.colorspace = sample_frame.color_range, sample_frame.colorspace
    track.color_primaries, track.color_trc = sample_frame.color_primaries, sample_frame.color_trc
    return track


def open_mp4_writer(target: Path) -> OutputContainer:
    """A new MP4 with its index in front, so that playback can start during the download."""
    return av.open(target, "w", format="mp4", options={"movflags": "faststart"})
