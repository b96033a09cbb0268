"""Detects text by its strokes: thin, of high contrast, and in whole pictures also arranged in lines."""

from collections.abc import Iterator

import cv2
import numpy as np

from deployments.local.emulators.ghostcut.yuv_planes import Plane, Selection

# Lengths are fractions of the picture's height.
MAX_STROKE_WIDTH = 1 / 22  # wider strokes are not text
RIM_WIDTH = 1 / 130  # the soft edge of a stroke, part of its mask
SHADOW_REACH = 1 / 30  # maximum extent of a shadow or outline
LINE_HEIGHT = (0.02, 0.2)
LETTER_GAP = 0.04

CONTRAST, FAINT_CONTRAST = 40, 8  # of 255: of a stroke, and of its shadow
MIN_SPECK_PIXELS = 6  # pixels; smaller spots are noise
MIN_STROKES, STROKES_PER_HEIGHT = 6, 0.8  # minimum strokes in a row through a line: absolute, and per line height


def stroke_mask(luma: Plane, picture_height: int) -> Selection:
    """Pixels of stroke-like detail in a part of a picture, with their edges and shadows."""
    bright, dark = _stroke_contrast(luma, picture_height)
    contrast = np.maximum(bright, dark)
    return _add_shadows(_remove_specks(contrast > CONTRAST), contrast, picture_height)


def text_line_mask(luma: Plane) -> Selection:
    """The strokes of a whole picture that form lines, as letters do and other detail seldom does."""
    height = luma.shape[0]
    bright, dark = _stroke_contrast(luma, height)
    letters = np.zeros(luma.shape, np.bool_)
    for detail in (bright > CONTRAST, dark > CONTRAST):
        for area in _line_areas(detail, height):
            letters[area] |= detail[area]
    return _add_shadows(_remove_specks(letters), np.maximum(bright, dark), height)


def _stroke_contrast(luma: Plane, picture_height: int) -> tuple[Plane, Plane]:
    """How much brighter, and how much darker, each pixel is than the surroundings of a stroke there."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, _kernel_size(picture_height * MAX_STROKE_WIDTH / 2))
    bright = cv2.morphologyEx(luma, cv2.MORPH_TOPHAT, kernel)
    dark = cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, kernel)
    return np.asarray(bright, np.uint8), np.asarray(dark, np.uint8)


def _line_areas(detail: Selection, picture_height: int) -> Iterator[tuple[slice, slice]]:
    """Boxes around detail with the proportions and the number of strokes of a line of text."""
    gap = max(3, round(picture_height * LETTER_GAP))
    joined = cv2.morphologyEx(detail.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((1, gap), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    for left, top, wide, high, _size in boxes[1:].tolist():
        area = slice(top, top + high), slice(left, left + wide)
        fits = LINE_HEIGHT[0] <= high / picture_height <= LINE_HEIGHT[1] and wide >= 2 * high
        if fits and _count_strokes(detail[area]) >= max(MIN_STROKES, STROKES_PER_HEIGHT * wide / high):
            yield area


def _count_strokes(part: Selection) -> int:
    """Count strokes in the middle row, or one above or below it."""
    rows = part[[part.shape[0] // 3, part.shape[0] // 2, 2 * part.shape[0] // 3]]
    begins = rows & ~np.pad(rows, ((0, 0), (1, 0)))[:, :-1]
    return int(begins.sum(axis=1).max())


def _remove_specks(detail: Selection) -> Selection:
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(detail.astype(np.uint8))
    large = np.asarray(boxes[:, cv2.CC_STAT_AREA] >= MIN_SPECK_PIXELS)
    kept: Selection = detail & large[labels]
    return kept


def _add_shadows(found: Selection, contrast: Plane, picture_height: int) -> Selection:
    """Strokes, their edges, and faint contrast close to them."""
    near = _dilate(found, picture_height * SHADOW_REACH)
    return _dilate(found | (near & (contrast > FAINT_CONTRAST)), picture_height * RIM_WIDTH)


def _dilate(selection: Selection, pixels: float) -> Selection:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, _kernel_size(pixels))
    return np.asarray(cv2.dilate(selection.astype(np.uint8), kernel) > 0)


def _kernel_size(radius: float) -> tuple[int, int]:
    side = 2 * max(2, round(radius)) + 1
    return side, side
