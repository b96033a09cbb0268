"""The before/after picture: the same instant of the source and of the result side by side, with the areas outlined."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from videojobs.errors import InvalidMedia
from videojobs.media.decoding import opened
from videojobs.media.tracks import aspect_of, picture_of

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]

PANEL: Final = (636, 720)  # pixels at most for one half: width, height
GAP: Final = 8  # pixels; two halves and it are 1280 wide
STRIP: Final = 34  # pixels above each half, for its caption
QUALITY: Final = 88  # of JPEG's 100: small, without visible blocks
_FONT_PIXELS: Final = 18
_REGULAR: Final = 400
_INK: Final = (40, 40, 40)
_PAPER: Final = 250
_OUTLINE: Final = (255, 96, 0)


def before_after(
    before: Path | BinaryIO,
    after: Path | BinaryIO,
    before_time: float,
    after_time: float,
    boxes: Sequence[Box],
) -> bytes:
    """A JPEG of both videos at their times (seconds), at most 1280 pixels wide.

    `boxes` are (x, y, width, height) in shares of the picture. Raises InvalidMedia where a video shows no picture.
    """
    left, right = picture_at(before, before_time), picture_at(after, after_time)
    size = _fitted(left)
    halves = [
        _half(picture, size, boxes, f"{name}  {time:.2f} s")
        for picture, name, time in ((left, "before", before_time), (right, "after", after_time))
    ]
    gap = np.full((halves[0].shape[0], GAP, 3), _PAPER, np.uint8)
    whole = np.hstack([halves[0], gap, halves[1]])
    _, jpeg = cv2.imencode(".jpg", whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes()


def picture_at(source: Path | BinaryIO, time: float) -> Picture:
    """What a player shows at a time in seconds: RGB, upright; behind the end that is the last picture.

    Raises InvalidMedia where there is none.
    """
    with opened(source) as media:
        track = picture_of(media.container)
        if track is None:
            raise InvalidMedia("there is no moving picture in the file")
        try:
            frame = _frame_at(media.container, track, time)
            aspect = aspect_of(track)  # FFmpeg frees the track with its container
        except av.FFmpegError as error:
            raise InvalidMedia("the picture cannot be decoded") from error
    if frame is None:
        raise InvalidMedia("the video shows no picture")
    return upright(frame, aspect, "rgb24")


def upright(frame: VideoFrame, aspect: float, pixels: str, long_side: int | None = None) -> Picture:
    """A frame as it is to be seen: turned upright, with square pixels, its long side at most so many pixels.

    `aspect` is the width of one of its pixels in heights, `pixels` FFmpeg's name of what is wanted: `rgb24`, `gray`.
    """
    width, height = round(frame.width * aspect), frame.height
    scale = min(1.0, long_side / max(width, height)) if long_side else 1.0
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    way = "AREA" if scale < 1 else None  # every pixel of the source counts: thin strokes stay
    lying = frame.to_ndarray(format=pixels, width=width, height=height, interpolation=way)
    return np.ascontiguousarray(np.rot90(lying, frame.rotation // 90), np.uint8)


def _frame_at(container: InputContainer, track: VideoStream, time: float) -> VideoFrame | None:
    unit = track.time_base or Fraction(1, av.time_base)
    place = (track.start_time or 0) + round(time / unit)
    container.seek(place, stream=track)
    shown = None
    for frame in container.decode(track):
        if shown is not None and (frame.pts or 0) > place:
            break
        shown = frame
    return shown


def _fitted(picture: Picture) -> tuple[int, int]:
    """Width and height of a half: as large as there is room, but never larger than the picture."""
    height, width = picture.shape[:2]
    scale = min(1.0, PANEL[0] / width, PANEL[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _half(picture: Picture, size: tuple[int, int], boxes: Sequence[Box], caption: str) -> Picture:
    """The picture in its size under a strip with the caption."""
    width, height = size
    panel = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    for x, y, w, h in boxes:
        corners = (round(x * width), round(y * height)), (round((x + w) * width) - 1, round((y + h) * height) - 1)
        cv2.rectangle(panel, *corners, _OUTLINE, 1)
    strip = np.full((STRIP, width, 3), _PAPER, np.uint8)
    foot = (4, STRIP - 11)
    cv2.putText(strip, caption, foot, _INK, cv2.FontFace("sans"), _FONT_PIXELS, _REGULAR)
    return np.vstack([strip, panel])
