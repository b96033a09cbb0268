"""The before/after picture: the same moment of source and result side by side, with the areas outlined."""

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
from videojobs.media.decoding import open_media
from videojobs.media.tracks import pixel_aspect_ratio, video_track

ImageArray = NDArray[np.uint8]
Box = tuple[float, float, float, float]

MAX_PANEL_SIZE: Final = (636, 720)  # maximum pixels of one half: width, height
PANEL_GAP: Final = 8  # pixels; with two halves it is 1280 wide
CAPTION_HEIGHT: Final = 34  # pixels above each half, for its caption
JPEG_QUALITY: Final = 88  # of JPEG's 100: small, without visible blocks
_FONT_PIXELS: Final = 18
_FONT_WEIGHT: Final = 400
_TEXT_COLOR: Final = (40, 40, 40)
_BACKGROUND: Final = 250
_OUTLINE_COLOR: Final = (255, 96, 0)


def render_comparison(
    before: Path | BinaryIO,
    after: Path | BinaryIO,
    before_time: float,
    after_time: float,
    boxes: Sequence[Box],
) -> bytes:
    """A JPEG of both videos at their times (seconds), at most 1280 pixels wide.

    `boxes` are (x, y, width, height) in fractions of the picture. Raises InvalidMedia if a video has no frame.
    """
    left, right = frame_at(before, before_time), frame_at(after, after_time)
    size = _panel_size(left)
    panels = [
        _panel(picture, size, boxes, f"{name}  {time:.2f} s")
        for picture, name, time in ((left, "before", before_time), (right, "after", after_time))
    ]
    gap = np.full((panels[0].shape[0], PANEL_GAP, 3), _BACKGROUND, np.uint8)
    whole = np.hstack([panels[0], gap, panels[1]])
    _, jpeg = cv2.imencode(".jpg", whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def frame_at(source: Path | BinaryIO, time: float) -> ImageArray:
    """The frame that a player shows at a time in seconds: RGB, upright; after the end, the last frame.

    Raises InvalidMedia if there is none.
    """
    with open_media(source) as media:
        track = video_track(media.container)
        if track is None:
            raise InvalidMedia("the file has no video track")
        try:
            frame = _decode_frame_at(media.container, track, time)
            aspect = pixel_aspect_ratio(track)  # FFmpeg frees the track with its container
        except av.FFmpegError as error:
            raise InvalidMedia("the video track cannot be decoded") from error
    if frame is None:
        raise InvalidMedia("the video has no frames")
    return to_upright_image(frame, aspect, "rgb24")


def to_upright_image(frame: VideoFrame, aspect: float, pixel_format: str, long_side: int | None = None) -> ImageArray:
    """A frame for display: upright, with square pixels, its long side limited.

    The pixel aspect is width by height; the pixel format is FFmpeg's name: `rgb24`, `gray`.
    """
    width, height = round(frame.width * aspect), frame.height
    scale = min(1.0, long_side / max(width, height)) if long_side else 1.0
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    interpolation = "AREA" if scale < 1 else None  # averages all source pixels: thin strokes remain
    image = frame.to_ndarray(format=pixel_format, width=width, height=height, interpolation=interpolation)
    return np.ascontiguousarray(np.rot90(image, frame.rotation // 90), np.uint8)


def _decode_frame_at(container: InputContainer, track: VideoStream, time: float) -> VideoFrame | None:
    unit = track.time_base or Fraction(1, av.time_base)
    target_pts = (track.start_time or 0) + round(time / unit)
    container.seek(target_pts, stream=track)
    shown = None
    for frame in container.decode(track):
        if shown is not None and (frame.pts or 0) > target_pts:
            break
        shown = frame
    return shown


def _panel_size(image: ImageArray) -> tuple[int, int]:
    """Width and height of a half: as large as fits, but never larger than the frame."""
    height, width = image.shape[:2]
    scale = min(1.0, MAX_PANEL_SIZE[0] / width, MAX_PANEL_SIZE[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _panel(image: ImageArray, size: tuple[int, int], boxes: Sequence[Box], caption: str) -> ImageArray:
    """The resized frame under a strip with the caption."""
    width, height = size
    panel = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    for x, y, w, h in boxes:
        corners = (round(x * width), round(y * height)), (round((x + w) * width) - 1, round((y + h) * height) - 1)
        cv2.rectangle(panel, *corners, _OUTLINE_COLOR, 1)
    strip = np.full((CAPTION_HEIGHT, width, 3), _BACKGROUND, np.uint8)
    baseline = (4, CAPTION_HEIGHT - 11)
    cv2.putText(strip, caption, baseline, _TEXT_COLOR, cv2.FontFace("sans"), _FONT_PIXELS, _FONT_WEIGHT)
    return np.vstack([strip, panel])
