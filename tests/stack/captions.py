"""Where the sample's burned-in caption can be seen, frame by frame."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.local.measure import frames
from deployments.local.sample import SampleFiles

Grey = NDArray[Any]

CONTRAST = 48  # of 255, between the caption's strokes and what they cover
MIDDLE = 150  # a frame of the sample that shows the caption


def visibility(sample: SampleFiles, video: Path) -> list[float]:
    """How much of the caption each frame of a video shows that was made of the sample: 0 is none of it, 1 is all."""
    strokes, pattern, behind = _caption(sample.video, sample.clean)
    strength = float((pattern * pattern).sum())
    return [float(((_grey(picture)[strokes] - behind) * pattern).sum()) / strength for _, picture in frames(video)]


@cache
def _caption(video: Path, clean: Path) -> tuple[Grey, Grey, Grey]:
    """Where the caption's strokes are, how much they stand out, and the average of what they cover."""
    uncovered = [_grey(picture) for _, picture in frames(clean)]
    shown = next(_grey(picture) for index, (_, picture) in enumerate(frames(video)) if index == MIDDLE)
    difference = shown - uncovered[MIDDLE]
    strokes = np.abs(difference) > CONTRAST
    return strokes, difference[strokes], np.mean(uncovered, axis=0)[strokes]  # the sky behind it hardly moves


def _grey(picture: NDArray[np.uint8]) -> Grey:
    return np.asarray(picture[:, :, 1], np.float32)  # green is most of what brightness is
