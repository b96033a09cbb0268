"""Measures, frame by frame, whether the sample's burned-in caption is visible."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.local.quality import read_frames
from deployments.local.sample import SampleFiles

GreyFrame = NDArray[Any]

MIN_CONTRAST = 48  # of 255, between the caption's strokes and the pixels they cover
CAPTION_FRAME = 150  # a frame of the sample that shows the caption


def caption_visibility(sample: SampleFiles, video: Path) -> list[float]:
    """The visible share of the caption in each frame of a video made from the sample: 0 is none of it, 1 is all."""
    strokes, pattern, behind = _caption_pattern(sample.video, sample.clean)
    strength = float((pattern * pattern).sum())
    return [
        float(((_to_grey(picture)[strokes] - behind) * pattern).sum()) / strength for _, picture in read_frames(video)
    ]


@cache
def _caption_pattern(video: Path, clean: Path) -> tuple[GreyFrame, GreyFrame, GreyFrame]:
    """The positions of the caption's strokes, their contrast, and the mean of the pixels they cover."""
    uncovered = [_to_grey(picture) for _, picture in read_frames(clean)]
    shown = next(_to_grey(picture) for index, (_, picture) in enumerate(read_frames(video)) if index == CAPTION_FRAME)
    difference = shown - uncovered[CAPTION_FRAME]
    strokes = np.abs(difference) > MIN_CONTRAST
    return strokes, difference[strokes], np.mean(uncovered, axis=0)[strokes]  # the sky behind the caption hardly moves


def _to_grey(picture: NDArray[np.uint8]) -> GreyFrame:
    return np.asarray(picture[:, :, 1], np.float32)  # green contributes most to brightness
