"""Erases: whole boxes, only the text in a box, or all text; protected areas keep their pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame

from deployments.local.emulators.ghostcut import detect
from deployments.local.emulators.ghostcut.fill import filled
from deployments.local.emulators.ghostcut.masks import Box, Mask
from deployments.local.emulators.ghostcut.planes import Planes, Selection

BORDER = 6  # pixels around a box from which it is filled


@dataclass(frozen=True, slots=True)
class Eraser:
    """What is to go. `everywhere` removes the text of the whole picture; `duration` is in seconds."""

    masks: Sequence[Mask]
    everywhere: bool
    duration: float

    def clean(self, frame: VideoFrame, moment: float) -> VideoFrame:
        """The picture without what has to go at that second; the very same object if nothing has."""
        active = [mask for mask in self.masks if mask.covers(moment, self.duration)]
        if not self.everywhere and all(mask.kind == "keep" for mask in active):
            return frame
        planes = Planes.of(frame)
        free = _unprotected(active, planes)
        if self.everywhere:
            _erase_strokes(planes, _whole(planes), detect.lines(planes.luma) & free)
        for mask in active:
            box = mask.box(frame.width, frame.height)
            if mask.kind == "remove_only_ocr":
                _erase_text(planes, box, free)
        for mask in active:
            box = mask.box(frame.width, frame.height)
            if mask.kind == "remove":
                _erase_box(planes, box, free)
        return _retimed(planes.frame(), frame)


def _unprotected(active: Sequence[Mask], planes: Planes) -> Selection:
    """Pixels that may change: protection wins over every removal."""
    free = np.ones(planes.luma.shape, np.bool_)
    high, wide = planes.luma.shape
    for mask in active:
        if mask.kind == "keep":
            box = mask.box(wide, high)
            free[box.top : box.bottom, box.left : box.right] = False
    return free


def _whole(planes: Planes) -> Box:
    high, wide = planes.luma.shape
    return Box(0, 0, wide, high)


def _inside(area: Box, box: Box) -> Selection:
    """The box as a selection within the area around it."""
    selected = np.zeros((area.bottom - area.top, area.right - area.left), np.bool_)
    selected[box.top - area.top : box.bottom - area.top, box.left - area.left : box.right - area.left] = True
    return selected


def _erase_text(planes: Planes, box: Box, free: Selection) -> None:
    area = planes.around(box, BORDER)
    luma = planes.luma[area.top : area.bottom, area.left : area.right]
    text = detect.strokes(luma, planes.luma.shape[0]) & _inside(area, box)
    _erase_strokes(planes, area, text & free[area.top : area.bottom, area.left : area.right])


def _erase_strokes(planes: Planes, area: Box, selected: Selection) -> None:
    if selected.any():
        planes.write(area, filled(planes.patch(area), selected), selected)


def _erase_box(planes: Planes, box: Box, free: Selection) -> None:
    """Fill the box from what surrounds it; nothing from inside it shines through."""
    area = planes.around(box, BORDER)
    hole = _inside(area, box)
    planes.write(area, filled(planes.patch(area), hole), hole & free[area.top : area.bottom, area.left : area.right])


def _retimed(frame: VideoFrame, like: VideoFrame) -> VideoFrame:
    frame.pts, frame.time_base = like.pts, like.time_base
    frame.color_range, frame.colorspace = like.color_range, like.colorspace
    return frame
