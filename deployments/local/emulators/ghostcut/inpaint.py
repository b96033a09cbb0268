"""Fills a hole in a picture smoothly from its edge.

`cv2.inpaint` fills inwards from all sides, and leaves a visible seam. Measured against the original of a moving
gradient, it was 5 to 10 dB worse, for whole boxes and for letters.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.local.emulators.ghostcut.yuv_planes import Plane, Selection

WORKING_SIZE = 160  # pixels on the long side: the fill is smooth, so it needs no more
SMOOTHING_ROUNDS = 10  # averaging passes at each size

Image = NDArray[np.float32]


def fill_hole(patch: Plane, hole: Selection) -> Plane:
    """The patch (height, width, 3) with its hole filled, without using any pixel inside the hole."""
    if hole.all():  # no edge is left: one colour
        return np.full_like(patch, patch.reshape(-1, 3).mean(axis=0).astype(np.uint8))
    high, wide = hole.shape
    scale = min(1.0, WORKING_SIZE / max(high, wide))
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    small = _fill_coarse_to_fine(*_downscale(patch.astype(np.float32), hole, size))
    return _upscale(small, (wide, high)).round().astype(np.uint8)


def _fill_coarse_to_fine(image: Image, hole: Selection) -> Image:
    """Fill the hole from a picture of half the size, then average with its edge fixed."""
    if not hole.any():
        return image
    high, wide = hole.shape
    rough = _fill_coarse_to_fine(*_downscale(image, hole, ((wide + 1) // 2, (high + 1) // 2)))
    image = np.where(hole[..., None], _upscale(rough, (wide, high)), image)
    for _ in range(SMOOTHING_ROUNDS):
        image = np.where(hole[..., None], cv2.blur(image, (3, 3)), image)
    return image


def _downscale(image: Image, hole: Selection, size: tuple[int, int]) -> tuple[Image, Selection]:
    """Shrink, averaging known pixels only; a pixel without any becomes part of the hole."""
    known = (~hole).astype(np.float32)
    weight: Any = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    total: Any = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    mean = total / np.maximum(weight, np.finfo(np.float32).tiny)[..., None]
    return mean.astype(np.float32), np.asarray(weight <= 0)


def _upscale(image: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.float32)
