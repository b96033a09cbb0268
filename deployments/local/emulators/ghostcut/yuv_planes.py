"""A picture as its three planes. Edits change only the selected pixels; all other bytes stay."""

from dataclasses import dataclass

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from deployments.local.emulators.ghostcut.masks import PixelBox

Plane = NDArray[np.uint8]
Selection = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class YuvPlanes:
    """Luma at full size, the two chroma planes at half: views into one array."""

    buffer: Plane
    luma: Plane
    blue: Plane
    red: Plane

    @classmethod
    def from_frame(cls, frame: VideoFrame) -> "YuvPlanes":
        """A 4:2:0 picture with even sides, copied."""
        whole = np.array(frame.to_ndarray(), np.uint8)
        high, wide = frame.height, frame.width
        flat = whole.reshape(-1)
        luma, blue, red = np.split(flat, [high * wide, high * wide * 5 // 4])
        half = (high // 2, wide // 2)
        return cls(whole, luma.reshape(high, wide), blue.reshape(half), red.reshape(half))

    def to_frame(self) -> VideoFrame:
        return VideoFrame.from_ndarray(self.buffer, format="yuv420p")

    def padded_box(self, box: PixelBox, margin: int) -> PixelBox:
        """The box with a margin, within the picture, on even pixels."""
        high, wide = self.luma.shape
        return PixelBox(
            max(0, box.left - margin) & ~1,
            max(0, box.top - margin) & ~1,
            min(wide, box.right + margin + 1 & ~1),
            min(high, box.bottom + margin + 1 & ~1),
        )

    def read_patch(self, box: PixelBox) -> Plane:
        """An even box as one image of three full-size channels: shape (height, width, 3)."""
        luma = self.luma[box.top : box.bottom, box.left : box.right]
        half = slice(box.top // 2, box.bottom // 2), slice(box.left // 2, box.right // 2)
        size = luma.shape[1], luma.shape[0]
        chroma = [cv2.resize(plane[half], size, interpolation=cv2.INTER_LINEAR) for plane in self._chroma()]
        return np.dstack([luma, *chroma]).astype(np.uint8)

    def write_patch(self, box: PixelBox, patch: Plane, selection: Selection) -> None:
        """Write the selected pixels of a patch. A chroma sample changes if all of its four pixels do."""
        self.luma[box.top : box.bottom, box.left : box.right][selection] = patch[..., 0][selection]
        half = slice(box.top // 2, box.bottom // 2), slice(box.left // 2, box.right // 2)
        high, wide = selection.shape
        fully = selection.reshape(high // 2, 2, wide // 2, 2).all(axis=(1, 3))
        small = cv2.resize(patch, (wide // 2, high // 2), interpolation=cv2.INTER_AREA)
        for channel, plane in enumerate(self._chroma(), start=1):
            plane[half][fully] = small[..., channel][fully]

    def _chroma(self) -> tuple[Plane, Plane]:
        return self.blue, self.red
