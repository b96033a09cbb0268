"""Pictures of a video in their order, and how alike two of them are."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.uint8]  # (height, width), 0 or 1

TILES: Final = (16, 9)  # across and down
WHOLE_TILE: Final = 0.5  # share of a tile that has to count, so that it says something
EQUAL: Final = 99.0  # dB, in place of infinity


def frames(video: Path) -> Iterator[tuple[float, Picture]]:
    """Seconds since the first picture, and the picture as (height, width, 3) RGB."""
    with av.open(video, "r") as film:
        film.streams.video[0].thread_type = "AUTO"
        start = None
        for frame in film.decode(video=0):
            time = frame.time or 0.0
            start = time if start is None else start
            yield time - start, frame.to_ndarray(format="rgb24").astype(np.uint8)


def frame_seconds(video: Path) -> float:
    """How long one picture is shown, on the average."""
    with av.open(video, "r") as film:
        return float(1 / (film.streams.video[0].average_rate or 25))


def length(video: Path) -> float:
    """Length of the picture in seconds, by decoding all of it."""
    last = max((time for time, _ in frames(video)), default=-frame_seconds(video))
    return last + frame_seconds(video)


def squared_error(one: Picture, other: Picture, mask: Mask) -> float:
    """Mean squared difference of the masked pixels' values; 0 where the mask is empty."""
    count = cv2.countNonZero(mask) * one.shape[2]
    return cv2.norm(one, other, cv2.NORM_L2SQR, mask) / count if count else 0.0


def worst_tile(one: Picture, other: Picture, mask: Mask) -> float:
    """The largest mean squared difference in a tile of the picture: a stain that the whole would drown out."""
    square = cv2.transform(cv2.absdiff(one, other).astype(np.float32) ** 2, np.full((1, 3), 1 / 3))
    known = mask.astype(np.float32)
    error = np.asarray(cv2.resize(square * known, TILES, interpolation=cv2.INTER_AREA))
    share = np.asarray(cv2.resize(known, TILES, interpolation=cv2.INTER_AREA))
    return float(np.where(share >= WHOLE_TILE, error / np.maximum(share, WHOLE_TILE), 0.0).max())


def decibels(error: float) -> float:
    """A mean squared error as PSNR."""
    return EQUAL if error <= 0 else min(EQUAL, 10 * math.log10(255**2 / error))


def psnr(one: Picture, other: Picture, mask: Mask | None = None) -> float:
    """Likeness in dB: above 40 an eye sees no difference, 99 is equal. The mask (0 or 1) says which pixels count."""
    everywhere = np.ones(one.shape[:2], np.uint8)
    return decibels(squared_error(one, other, everywhere if mask is None else mask))


def brightness(picture: Picture) -> NDArray[np.float32]:
    """Each pixel's luma, 0..255."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def as_large_as(picture: Picture, other: Picture) -> Picture:
    """The picture in the other's size: a vendor may deliver a smaller one."""
    if picture.shape == other.shape:
        return picture
    size = (other.shape[1], other.shape[0])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


class Walk:
    """Goes through several videos of the same timing at once, forward only, holding the few pictures around a time."""

    def __init__(self, videos: Sequence[Path], reach: float) -> None:
        self._coming = zip(*(frames(video) for video in videos), strict=False)
        self._reach = reach
        self._near: deque[tuple[float, tuple[Picture, ...]]] = deque()

    def around(self, time: float) -> list[tuple[float, tuple[Picture, ...]]]:
        """(seconds, one picture of each video) for all moments within `reach` of a time; none where that goes back."""
        while not self._near or self._near[-1][0] <= time + self._reach:
            pictures = next(self._coming, None)
            if pictures is None:
                break
            self._near.append((pictures[0][0], tuple(picture for _, picture in pictures)))
        while self._near and self._near[0][0] < time - self._reach:
            self._near.popleft()
        return [near for near in self._near if near[0] <= time + self._reach]
