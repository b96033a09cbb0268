"""Where the sample's burned-in caption can be seen, frame by frame."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.local.quality import read_frames
from deployments.local.sample import SampleFiles

GreyFrame = NDArray[Any]

MIN_CONTRAST = 48  # of 255, between the caption's strokes and what they cover
CAPTION_FRAME = 150  # a frame of the sample that shows the caption


def caption_visibility(sample: SampleFiles, video: Path) -> list[float]:
    """How much of the caption each frame of a video shows that was made of the sample: 0 is none of it, 1 is all."""
    strokes, pattern, behind = _caption_pattern(sample.video, sample.clean)
    strength = float((pattern * pattern).sum())
    return [
        float(((_to_grey(picture)[strokes] - behind) * pattern).sum()) / strength for _, picture in read_frames(video)
    ]


@cache
def _caption_pattern(video: Path, clean: Path) -> tuple[GreyFrame, GreyFrame, GreyFrame]:
    """Where the caption's strokes are, how much they stand out, and the average of what they cover."""
    uncovered = [_to_grey(picture) for _, picture in read_frames(clean)]
    shown = next(_to_grey(picture) for index, (_, picture) in enumerate(read_frames(video)) if index == CAPTION_FRAME)
    difference = shown - uncovered[CAPTION_FRAME]
    strokes = np.abs(difference) > MIN_CONTRAST
    return strokes, difference[strokes], np.mean(uncovered, axis=0)[strokes]  # the sky behind it hardly moves


def _to_grey(picture: NDArray[np.uint8]) -> GreyFrame:
    return np.asarray(picture[:, :, 1], np.float32)  # green is most of what brightness is
