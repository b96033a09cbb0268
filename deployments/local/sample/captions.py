"""Burns text into a picture: white with a dark outline, as large as fits into its box."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.local.sample.scene import RgbFrame

BOX_FILL_RATIO: Final = 0.9  # of the box, so that the outline also fits
LINE_HEIGHT: Final = 1.25  # line spacing in font sizes
RIM: Final = 0.09  # of the font size
BOLD: Final = 700


@dataclass(frozen=True, slots=True)
class Caption:
    """`text` (lines separated by newlines), shown from `start` up to, not including, `end` (seconds), inside a
    box in fractions of the picture."""

    start: float
    end: float
    x: float
    y: float
    w: float
    h: float
    text: str

    def burn_into(self, picture: RgbFrame, time: float) -> RgbFrame:
        """The picture with the text at a time in seconds; the same object if the text is not shown then."""
        if not self.start <= time < self.end:
            return picture
        height, width = picture.shape[:2]
        color, alpha = _render_text(self, (width, height))
        return (picture * (1 - alpha) + color * alpha).round().astype(np.uint8)


@cache
def _render_text(caption: Caption, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The text's brightness and opacity, each (height, width, 1)."""
    width, height = size
    box = caption.w * width * BOX_FILL_RATIO, caption.h * height * BOX_FILL_RATIO
    lines = caption.text.split("\n")
    letters, points = np.zeros((height, width, 3), np.uint8), _font_size(lines, box)
    top = (caption.y + caption.h / 2) * height - points * LINE_HEIGHT * len(lines) / 2
    font = cv2.FontFace("sans")
    for number, line in enumerate(lines):
        left = (caption.x + caption.w / 2) * width - _text_width(line, points) / 2
        foot = top + points * (LINE_HEIGHT * number + 1)
        cv2.putText(letters, line, (round(left), round(foot)), (255, 255, 255), font, points, BOLD)
    white = letters[..., :1].astype(np.float32) / 255
    rim = max(2, round(points * RIM))
    around = cv2.dilate(white, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)))
    alpha = np.maximum(white, cv2.GaussianBlur(around, (0, 0), rim / 3)[..., None] * 0.75)
    return (30 + 222 * white).astype(np.float32), alpha.astype(np.float32)


def _font_size(lines: list[str], box: tuple[float, float]) -> int:
    """The largest font size, in pixels, with which all lines fit."""
    points = int(box[1] / (LINE_HEIGHT * len(lines)))
    while points > 1 and max(_text_width(line, points) for line in lines) > box[0]:
        points -= 1
    return points


def _text_width(line: str, points: int) -> int:
    left, _, wide, _ = cv2.getTextSize((0, 0), line, (0, 0), cv2.FontFace("sans"), points, BOLD)
    return int(left + wide)
