"""Where and when a result may differ from its source."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from deployments.local.quality.frames import Mask

EDGE_PIXELS: Final = 2  # pixels by which a box may grow: chroma is stored for 2 x 2 pixels


@dataclass(frozen=True, slots=True)
class Area:
    """An annotation area as in requests: fractions of the picture, seconds of the source."""

    kind: str  # erasure, protection, text
    x: float
    y: float
    w: float
    h: float
    start: float
    end: float

    @property
    def is_protected(self) -> bool:
        return self.kind == "protection"

    def is_active(self, time: float, margin: float) -> bool:
        """Whether the area covers a time. The margin (seconds) extends its range; a negative one shortens it."""
        return self.start - margin <= time < self.end + margin

    def to_mask(self, height: int, width: int, edge: int) -> Mask:
        """The box, `edge` pixels larger on all sides."""
        mask = np.zeros((height, width), np.uint8)
        top, left = math.floor(self.y * height) - edge, math.floor(self.x * width) - edge
        bottom, right = math.ceil((self.y + self.h) * height) + edge, math.ceil((self.x + self.w) * width) + edge
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 1
        return mask


def unchanged_mask(areas: Sequence[Area], time: float, margin: float, shape: tuple[int, int]) -> Mask:
    """Pixels that must equal the source: outside all boxes, and in protected ones. Unsure times count as changed."""
    mask = np.ones(shape, np.uint8)
    for area in areas:
        if not area.is_protected and area.is_active(time, margin):
            mask[area.to_mask(*shape, edge=EDGE_PIXELS) == 1] = 0
    for area in areas:
        if area.is_protected and area.is_active(time, -margin):
            mask[area.to_mask(*shape, edge=-EDGE_PIXELS) == 1] = 1
    return mask


def erased_mask(areas: Sequence[Area], time: float, margin: float, shape: tuple[int, int]) -> Mask:
    """Pixels that must be without text: in boxes, at times inside their range by the margin, and not protected."""
    mask = np.zeros(shape, np.uint8)
    for area in areas:
        if not area.is_protected and area.is_active(time, -margin):
            mask[area.to_mask(*shape, edge=0) == 1] = 1
    for area in areas:
        if area.is_protected and area.is_active(time, margin):
            mask[area.to_mask(*shape, edge=EDGE_PIXELS) == 1] = 0
    return mask
