"""What of a picture counts when slides are told apart: its ink, on a small gray copy of one size for all videos.

Slides stand still to the pixel, so a stroke either is where it was or is gone. That tells a new slide, on which the old
strokes are gone, from an animation, which adds some and keeps them; a comparison of whole pictures cannot.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from videojobs.lecture.options import Mask
from videojobs.lecture.sampling import Sample
from videojobs.media.pictures import upright

Gray = NDArray[np.uint8]
Bits = NDArray[np.bool_]

LONG_SIDE: Final = 320  # pixels of the small copy: lines of text are seen, a codec's noise is not
INK_CONTRAST: Final = 24  # of 255 between neighbours; text on slides has 60 and more, compressed paper under 10
MOVED: Final = 14  # of 255; less is a codec's noise
STILL: Final = 0.002  # of the picture; a mouse pointer that moves is less
PAGE_OF_INK: Final = 0.015  # of the picture: six lines of text. What a design repeats must not hide that they are gone
BLANK: Final = 0.0006  # of the picture; one word of large type has more ink
OFTEN: Final = 0.12  # of unrest; a slide that fades out, and lines that fly in, leave 0.1 at most
MOST: Final = 0.2  # of unrest: what rests again counts again after 5 s
CUT: Final = 0.4  # of the picture; when so much changes at once it says nothing about one place
_LATELY: Final = 0.02  # the weight of each sample: what moves all the time is known to be restless after 1.3 s
_HASH_SIDE: Final = 16  # 256 bits: 64 cannot tell two text slides of one design apart


@dataclass(frozen=True)
class Look:
    """A small gray copy, with what does not count left out."""

    gray: Gray
    visible: Bits  # False in masks

    @cached_property
    def contrast(self) -> Gray:
        """How much each pixel differs from its neighbours."""
        return np.asarray(cv2.morphologyEx(self.gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), np.uint8)

    @cached_property
    def ink(self) -> Bits:
        """Where strokes and edges are."""
        found: Bits = (self.contrast > INK_CONTRAST) & self.visible
        return found

    @property
    def is_blank(self) -> bool:
        return int(self.ink.sum()) < BLANK * self.gray.size

    def gone(self, later: "Look") -> float:
        """The share of this one's ink that is not there any more, 0 to 1: it has lost half of its contrast.

        Only what can be seen in the later one is asked for; where that is less than half, all counts as gone.
        """
        if self.gray.shape != later.gray.shape:  # a browser's recording changes its size when its window does
            return 1.0
        ink = self.ink & later.visible
        if 2 * int(ink.sum()) < int(self.ink.sum()):
            return 1.0
        changed = cv2.absdiff(self.gray, later.gray) > np.maximum(self.contrast // 2, MOVED)
        whole = min(int(ink.sum()), PAGE_OF_INK * self.gray.size)
        return min(1.0, int((changed & ink).sum()) / max(1.0, whole))

    def moved(self, later: "Look") -> Bits:
        """Where something has changed between two neighbouring samples."""
        if self.gray.shape != later.gray.shape:
            return np.ones(later.gray.shape, np.bool_)
        return np.asarray(cv2.absdiff(self.gray, later.gray) > MOVED, np.bool_)

    def is_still(self, later: "Look") -> bool:
        """Whether nothing that counts has moved between two neighbouring samples."""
        return int((self.moved(later) & later.visible).sum()) < STILL * self.gray.size

    @cached_property
    def fingerprint(self) -> int:
        """A perceptual hash: the signs of the picture's lowest waves, which noise and scaling do not change."""
        seen = np.where(self.visible, self.gray, 0).astype(np.float32)
        waves = cv2.dct(cv2.resize(seen, (4 * _HASH_SIDE, 4 * _HASH_SIDE), interpolation=cv2.INTER_AREA))
        low = waves[:_HASH_SIDE, :_HASH_SIDE].ravel()
        return int.from_bytes(np.packbits(low > np.median(low)).tobytes())

    def packed(self) -> bytes:
        """The gray copy in a tenth of its size."""
        return cv2.imencode(".png", self.gray)[1].tobytes()

    def unpacked(self, packed: bytes) -> "Look":
        """Another look at the same video, from its packed form."""
        gray = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_GRAYSCALE)
        return Look(np.asarray(gray, np.uint8), self.visible)


@dataclass(slots=True)
class Unrest:
    """Knows where it moves again and again: a lecturer's camera that nobody masked, a clock, a video on a slide."""

    _level: NDArray[np.float32] | None = None  # how often each pixel moves, 0 to 1, more weight on what was lately

    def without(self, look: Look, before: Look | None) -> Look:
        """The look, in which such places do not count."""
        if before is None or self._level is None or self._level.shape != look.gray.shape:
            self._level = np.zeros(look.gray.shape, np.float32)
            return look
        moved = before.moved(look)
        if moved.mean() < CUT:
            cv2.accumulateWeighted(moved.astype(np.float32), self._level, _LATELY)
            np.minimum(self._level, MOST, out=self._level)
        restless = cv2.dilate((self._level > OFTEN).astype(np.uint8), np.ones((5, 5), np.uint8))
        return Look(look.gray, look.visible & (restless == 0))


def differing_bits(one: int, other: int) -> float:
    """The share of the bits in which two fingerprints differ: 0.5 for two pictures that have nothing in common."""
    return (one ^ other).bit_count() / _HASH_SIDE**2


def look_at(sample: Sample, masks: tuple[Mask, ...]) -> Look:
    """The small copy of a sample, turned upright, with its masks."""
    gray = upright(sample.frame, sample.aspect, "gray", LONG_SIDE)
    return Look(gray, visible(gray.shape[:2], masks))


@lru_cache(maxsize=16)
def visible(shape: tuple[int, ...], masks: tuple[Mask, ...]) -> Bits:
    """True where no mask is. A mask takes one more pixel on each side: its edge is seen in the neighbours."""
    height, width = shape
    seen = np.ones((height, width), np.bool_)
    for mask in masks:
        left, right = int(mask.x * width) - 1, int(np.ceil((mask.x + mask.w) * width)) + 1
        top, bottom = int(mask.y * height) - 1, int(np.ceil((mask.y + mask.h) * height)) + 1
        seen[max(0, top) : bottom, max(0, left) : right] = False
    return seen
