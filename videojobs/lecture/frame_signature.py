"""Compares frames to tell slides apart: by the edges in a small gray copy, of one size for all videos.

A slide does not move by a pixel, so each stroke is either in its place or gone. On a new slide the old strokes are
gone; an animation adds strokes and keeps the old ones. A comparison of whole frames cannot tell these apart.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from videojobs.lecture.frame_sampling import Sample
from videojobs.lecture.options import Mask
from videojobs.media.comparison_image import to_upright_image

GrayImage = NDArray[np.uint8]
BoolMask = NDArray[np.bool_]

SIGNATURE_LONG_SIDE: Final = 320  # pixels of the small copy: enough for lines of text, too few for codec noise
EDGE_CONTRAST: Final = 24  # of 255, between neighbours; text has 60 and more, a compressed background under 10
CHANGE_THRESHOLD: Final = 14  # of 255; less is codec noise
STILL_RATIO: Final = 0.002  # of the frame; a moving mouse pointer changes less
FULL_PAGE_EDGE_RATIO: Final = (
    0.015  # of the frame: six lines of text. A design's repeated elements must not hide that they are gone
)
BLANK_EDGE_RATIO: Final = 0.0006  # of the frame; one word in large type has more edges
MOTION_THRESHOLD: Final = 0.12  # of the motion level; a fading slide or animated line leaves at most 0.1
MAX_MOTION_LEVEL: Final = 0.2  # of the motion level: a region that stops moving counts again after 5 s
SCENE_CUT_RATIO: Final = 0.4  # of the frame; a larger change says nothing about a single region
_MOTION_LEARNING_RATE: Final = 0.02  # the weight of each sample: constant motion is detected after 1.3 s
_HASH_SIDE: Final = 16  # 256 bits; 64 cannot distinguish two text slides of one design


@dataclass(frozen=True)
class FrameSignature:
    """A small gray copy of a frame, and the pixels that count."""

    gray: GrayImage
    visible_mask: BoolMask  # False in masks

    @cached_property
    def contrast(self) -> GrayImage:
        """Difference of each pixel from its neighbours."""
        return np.asarray(cv2.morphologyEx(self.gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), np.uint8)

    @cached_property
    def edge_mask(self) -> BoolMask:
        """Pixels of strokes and edges."""
        found: BoolMask = (self.contrast > EDGE_CONTRAST) & self.visible_mask
        return found

    @property
    def is_blank(self) -> bool:
        return int(self.edge_mask.sum()) < BLANK_EDGE_RATIO * self.gray.size

    def lost_ratio(self, later: "FrameSignature") -> float:
        """Share (0 to 1) of the edges that are gone in `later`, which means that they lost half of their contrast.

        Only edges that are visible in both count; if that is less than half of them, all count as gone.
        """
        if self.gray.shape != later.gray.shape:  # a browser's recording changes its size when its window does
            return 1.0
        edges = self.edge_mask & later.visible_mask
        if 2 * int(edges.sum()) < int(self.edge_mask.sum()):
            return 1.0
        changed = cv2.absdiff(self.gray, later.gray) > np.maximum(self.contrast // 2, CHANGE_THRESHOLD)
        reference_size = min(int(edges.sum()), FULL_PAGE_EDGE_RATIO * self.gray.size)
        return min(1.0, int((changed & edges).sum()) / max(1.0, reference_size))

    def changed_mask(self, later: "FrameSignature") -> BoolMask:
        """Pixels that changed between two neighbouring samples."""
        if self.gray.shape != later.gray.shape:
            return np.ones(later.gray.shape, np.bool_)
        return np.asarray(cv2.absdiff(self.gray, later.gray) > CHANGE_THRESHOLD, np.bool_)

    def is_still(self, later: "FrameSignature") -> bool:
        """Whether less than STILL_RATIO of the pixels visibly changed between two neighbouring samples."""
        return int((self.changed_mask(later) & later.visible_mask).sum()) < STILL_RATIO * self.gray.size

    @cached_property
    def fingerprint(self) -> int:
        """A perceptual hash of the lowest DCT frequencies, which noise and scaling do not change."""
        seen = np.where(self.visible_mask, self.gray, 0).astype(np.float32)
        waves = cv2.dct(cv2.resize(seen, (4 * _HASH_SIDE, 4 * _HASH_SIDE), interpolation=cv2.INTER_AREA))
        low = waves[:_HASH_SIDE, :_HASH_SIDE].ravel()
        return int.from_bytes(np.packbits(low > np.median(low)).tobytes())

    def encode_png(self) -> bytes:
        """The gray copy as PNG, a tenth of its size."""
        return cv2.imencode(".png", self.gray)[1].tobytes()

    def decode_png(self, png: bytes) -> "FrameSignature":
        """Another signature of the same video from its PNG, with this one's masks."""
        gray = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
        return FrameSignature(np.asarray(gray, np.uint8), self.visible_mask)


@dataclass(slots=True)
class MotionMask:
    """Learns the regions of constant motion: a lecturer's camera without a mask, a clock, a video on a slide."""

    _motion_level: NDArray[np.float32] | None = None  # how often each pixel moves, 0 to 1; recent samples weigh more

    def exclude_motion(self, signature: FrameSignature, previous: FrameSignature | None) -> FrameSignature:
        """The signature without these regions."""
        if previous is None or self._motion_level is None or self._motion_level.shape != signature.gray.shape:
            self._motion_level = np.zeros(signature.gray.shape, np.float32)
            return signature
        moved = previous.changed_mask(signature)
        if moved.mean() < SCENE_CUT_RATIO:
            cv2.accumulateWeighted(moved.astype(np.float32), self._motion_level, _MOTION_LEARNING_RATE)
            np.minimum(self._motion_level, MAX_MOTION_LEVEL, out=self._motion_level)
        restless = cv2.dilate((self._motion_level > MOTION_THRESHOLD).astype(np.uint8), np.ones((5, 5), np.uint8))
        return FrameSignature(signature.gray, signature.visible_mask & (restless == 0))


def bit_difference_ratio(one: int, other: int) -> float:
    """Share of the bits in which two fingerprints differ: 0.5 for unrelated frames."""
    return (one ^ other).bit_count() / _HASH_SIDE**2


def build_signature(sample: Sample, masks: tuple[Mask, ...]) -> FrameSignature:
    """The signature of a sample, turned upright, without the masked regions."""
    gray = to_upright_image(sample.frame, sample.pixel_aspect, "gray", SIGNATURE_LONG_SIDE)
    return FrameSignature(gray, build_visible_mask(gray.shape[:2], masks))


@lru_cache(maxsize=16)
def build_visible_mask(shape: tuple[int, ...], masks: tuple[Mask, ...]) -> BoolMask:
    """True outside all masks. Each mask grows by a pixel on each side, since its edge affects the neighbours."""
    height, width = shape
    seen = np.ones((height, width), np.bool_)
    for mask in masks:
        left, right = int(mask.x * width) - 1, int(np.ceil((mask.x + mask.w) * width)) + 1
        top, bottom = int(mask.y * height) - 1, int(np.ceil((mask.y + mask.h) * height)) + 1
        seen[max(0, top) : bottom, max(0, left) : right] = False
    return seen
