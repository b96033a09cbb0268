"""Reads a video's frames in order, and compares them."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

RgbFrame = NDArray[np.uint8]
Mask = NDArray[np.uint8]  # (height, width), 0 or 1

TILE_GRID: Final = (16, 9)  # columns, rows
MIN_TILE_COVERAGE: Final = 0.5  # share of a tile that must be in the mask; less is not representative
MAX_PSNR: Final = 99.0  # dB, in place of infinity


def read_frames(video: Path) -> Iterator[tuple[float, RgbFrame]]:
    """Seconds since the first frame, and the frame as (height, width, 3) RGB."""
    with av.open(video, "r") as film:
        film.streams.video[0].thread_type = "AUTO"
        start = None
        for frame in film.decode(video=0):
            time = frame.time or 0.0
            start = time if start is None else start
            yield time - start, frame.to_ndarray(format="rgb24").astype(np.uint8)


def frame_duration(video: Path) -> float:
    """Average duration of a frame in seconds."""
    with av.open(video, "r") as film:
        return float(1 / (film.streams.video[0].average_rate or 25))


def video_duration(video: Path) -> float:
    """Duration of the picture in seconds, by decoding all of it."""
    last = max((time for time, _ in read_frames(video)), default=-frame_duration(video))
    return last + frame_duration(video)


def mean_squared_error(one: RgbFrame, other: RgbFrame, mask: Mask) -> float:
    """Mean squared difference of the masked pixels; 0 if the mask is empty."""
    count = cv2.countNonZero(mask) * one.shape[2]
    return cv2.norm(one, other, cv2.NORM_L2SQR, mask) / count if count else 0.0


def worst_tile_error(one: RgbFrame, other: RgbFrame, mask: Mask) -> float:
    """The largest mean squared error of a tile: a local flaw that the average of the frame would hide."""
    square = cv2.transform(cv2.absdiff(one, other).astype(np.float32) ** 2, np.full((1, 3), 1 / 3))
    known = mask.astype(np.float32)
    error = np.asarray(cv2.resize(square * known, TILE_GRID, interpolation=cv2.INTER_AREA))
    share = np.asarray(cv2.resize(known, TILE_GRID, interpolation=cv2.INTER_AREA))
    return float(np.where(share >= MIN_TILE_COVERAGE, error / np.maximum(share, MIN_TILE_COVERAGE), 0.0).max())


def error_to_psnr(error: float) -> float:
    """A mean squared error as PSNR."""
    return MAX_PSNR if error <= 0 else min(MAX_PSNR, 10 * math.log10(255**2 / error))


def psnr(one: RgbFrame, other: RgbFrame, mask: Mask | None = None) -> float:
    """PSNR in dB of the masked pixels: above 40 no visible difference, 99 is equal. The mask is 0 or 1."""
    everywhere = np.ones(one.shape[:2], np.uint8)
    return error_to_psnr(mean_squared_error(one, other, everywhere if mask is None else mask))


def luma(picture: RgbFrame) -> NDArray[np.float32]:
    """Each pixel's luma, 0..255."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def resize_to(picture: RgbFrame, other: RgbFrame) -> RgbFrame:
    """The picture in the other's size: a vendor may deliver a smaller video."""
    if picture.shape == other.shape:
        return picture
    size = (other.shape[1], other.shape[0])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


class SyncedFrameReader:
    """Reads several videos of the same timing in step, forward only, and keeps the few frames around a time."""

    def __init__(self, videos: Sequence[Path], reach: float) -> None:
        self._frames = zip(*(read_frames(video) for video in videos), strict=False)
        self._reach = reach
        self._near: deque[tuple[float, tuple[RgbFrame, ...]]] = deque()

    def frames_near(self, time: float) -> list[tuple[float, tuple[RgbFrame, ...]]]:
        """(seconds, one frame of each video) for all times within `reach` of `time`; none if the reader is past it."""
        while not self._near or self._near[-1][0] <= time + self._reach:
            pictures = next(self._frames, None)
            if pictures is None:
                break
            self._near.append((pictures[0][0], tuple(picture for _, picture in pictures)))
        while self._near and self._near[0][0] < time - self._reach:
            self._near.popleft()
        return [near for near in self._near if near[0] <= time + self._reach]
