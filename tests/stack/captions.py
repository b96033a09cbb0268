"""Where the sample's burned-in caption can be seen, frame by frame."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deployments.local.measure import frames
from deployments.local.sample import SampleFiles

CONTRAST = 48  # of 255, between the caption's strokes and what they cover
MIDDLE = 150  # a frame of the sample that shows the caption


def visibility(sample: SampleFiles, video: Path) -> list[float]:
    """How much of the caption each frame of a video shows that was made of the sample: 0 is none of it, 1 is all."""
    clean = [_grey(picture) for _, picture in frames(sample.clean)]
    caption = next(_grey(picture) for index, (_, picture) in enumerate(frames(sample.video)) if index == MIDDLE)
    difference = caption - clean[MIDDLE]
    strokes = np.abs(difference) > CONTRAST
    pattern = difference[strokes]
    behind = np.mean(clean, axis=0)[strokes]  # the sky behind the caption hardly moves
    strength = float((pattern * pattern).sum())
    return [float(((_grey(picture)[strokes] - behind) * pattern).sum()) / strength for _, picture in frames(video)]


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return picture.mean(axis=2, dtype=np.float32)  # type: ignore[no-any-return]  # numpy's stubs lose the type
