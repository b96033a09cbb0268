"""Erases: whole boxes, only the text in a box, or all text; protected areas keep their pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame

from deployments.local.emulators.ghostcut import text_detection
from deployments.local.emulators.ghostcut.inpaint import fill_hole
from deployments.local.emulators.ghostcut.masks import Mask, PixelBox
from deployments.local.emulators.ghostcut.yuv_planes import Selection, YuvPlanes

FILL_MARGIN = 6  # pixels around a box from which it is filled


@dataclass(frozen=True, slots=True)
class TextEraser:
    """Erases the given masks. `everywhere` removes the text of the whole picture; `duration` is in seconds."""

    masks: Sequence[Mask]
    whole_frame: bool
    duration: float

    def erase(self, frame: VideoFrame, moment: float) -> VideoFrame:
        """The picture with everything erased that is active at `moment` seconds; the same object if nothing is."""
        active = [mask for mask in self.masks if mask.is_active(moment, self.duration)]
        if not self.whole_frame and all(mask.kind == "keep" for mask in active):
            return frame
        planes = YuvPlanes.from_frame(frame)
        free = _editable_pixels(active, planes)
        if self.whole_frame:
            _erase_strokes(planes, _frame_box(planes), text_detection.text_line_mask(planes.luma) & free)
        for mask in active:
            box = mask.to_pixels(frame.width, frame.height)
            if mask.kind == "remove_only_ocr":
                _erase_text(planes, box, free)
        for mask in active:
            box = mask.to_pixels(frame.width, frame.height)
            if mask.kind == "remove":
                _erase_box(planes, box, free)
        return _copy_timing(planes.to_frame(), frame)


def _editable_pixels(active: Sequence[Mask], planes: YuvPlanes) -> Selection:
    """Pixels that may change: protection takes precedence over every removal."""
    free = np.ones(planes.luma.shape, np.bool_)
    high, wide = planes.luma.shape
    for mask in active:
        if mask.kind == "keep":
            box = mask.to_pixels(wide, high)
            free[box.top : box.bottom, box.left : box.right] = False
    return free


def _frame_box(planes: YuvPlanes) -> PixelBox:
    high, wide = planes.luma.shape
    return PixelBox(0, 0, wide, high)


def _box_selection(area: PixelBox, box: PixelBox) -> Selection:
    """The box as a selection within the area around it."""
    selected = np.zeros((area.bottom - area.top, area.right - area.left), np.bool_)
    selected[box.top - area.top : box.bottom - area.top, box.left - area.left : box.right - area.left] = True
    return selected


def _erase_text(planes: YuvPlanes, box: PixelBox, free: Selection) -> None:
    area = planes.padded_box(box, FILL_MARGIN)
    luma = planes.luma[area.top : area.bottom, area.left : area.right]
    text = text_detection.stroke_mask(luma, planes.luma.shape[0]) & _box_selection(area, box)
    _erase_strokes(planes, area, text & free[area.top : area.bottom, area.left : area.right])


def _erase_strokes(planes: YuvPlanes, area: PixelBox, selected: Selection) -> None:
    if selected.any():
        planes.write_patch(area, fill_hole(planes.read_patch(area), selected), selected)


def _erase_box(planes: YuvPlanes, box: PixelBox, free: Selection) -> None:
    """Fill the box from its surroundings, without using any pixel inside it."""
    area = planes.padded_box(box, FILL_MARGIN)
    hole = _box_selection(area, box)
    planes.write_patch(
        area, fill_hole(planes.read_patch(area), hole), hole & free[area.top : area.bottom, area.left : area.right]
    )


def _copy_timing(frame: VideoFrame, like: VideoFrame) -> VideoFrame:
    frame.pts, frame.time_base = like.pts, like.time_base
    frame.color_range, frame.colorspace = like.color_range, like.colorspace
    return frame
