"""Compares a result with its source, its audio clips and, if available, the source without text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from deployments.local.quality.areas import Area, erased_mask, unchanged_mask
from deployments.local.quality.audio import audio_correlation
from deployments.local.quality.frames import (
    RgbFrame,
    SyncedFrameReader,
    error_to_psnr,
    frame_duration,
    luma,
    mean_squared_error,
    read_frames,
    resize_to,
    worst_tile_error,
)
from deployments.local.quality.report import AudioMetric, QualityReport, TextMetric

# A part of the source and its time in the result, in seconds: (source start, source end, result start, result end).
TimeMapping = tuple[float, float, float, float]

MIN_TEXT_CONTRAST: Final = 32.0  # of 255, between text and background; coding causes at most 10
MIN_TEXT_PIXELS: Final = 20  # pixels of this contrast; fewer do not count as text
SEARCH_FRAMES: Final = 1.5  # frames; for a vendor's choice of frames, and its slightly different audio lengths
TIME_EPSILON: Final = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class ExpectedAudio:
    """Audio that the result must have from `start` to `end` (seconds of the result)."""

    start: float
    end: float
    file: Path
    file_start: float = 0.0  # seconds into the file, if it is cropped


def measure_result(
    source: Path,
    clean: Path | None,
    result: Path,
    pieces: Sequence[TimeMapping],
    areas: Sequence[Area],
    clips: Sequence[ExpectedAudio],
) -> QualityReport:
    """Measure a result. `clean` is the source without its text; without it, the text is not measured.

    Each frame is compared with the best match among the source's frames around its time, since the vendor chooses
    which ones to repeat or drop. Within the same margin, the ends of an area's time range are not measured. Pieces
    that play backward or repeat are skipped.
    """
    comparison = _Comparison(source, clean, areas)
    seen = 0.0
    for time, picture in read_frames(result):
        seen = time
        moment = source_time(time, pieces)
        if moment is not None:
            comparison.add(time, moment, picture)
    return QualityReport(
        length=seen + frame_duration(result),
        expected_length=max((end for *_, end in pieces), default=0.0),
        sounds=tuple(
            AudioMetric(
                clip.start, clip.end, audio_correlation(result, clip.start, clip.end, clip.file, clip.file_start)
            )
            for clip in clips
        ),
        texts=tuple(comparison.texts),
        inside_psnr=_mean_psnr(comparison.inside),
        outside_psnr=_mean_psnr(comparison.outside),
        worst_tile_psnr=error_to_psnr(comparison.worst_tile) if comparison.outside else None,
    )


def source_time(time: float, pieces: Sequence[TimeMapping]) -> float | None:
    """The source time that a result time shows; None outside all pieces, or if it plays backward."""
    for source_start, source_end, start, end in pieces:
        if start - TIME_EPSILON <= time < end - TIME_EPSILON:
            return source_start + (time - start) / (end - start) * (source_end - source_start)
    return None


class _Comparison:
    """Takes a result's frames in order, and collects mean squared errors."""

    def __init__(self, source: Path, clean: Path | None, areas: Sequence[Area]) -> None:
        self.texts: list[TextMetric] = []
        self.inside: list[float] = []
        self.outside: list[float] = []
        self.worst_tile = 0.0
        self._areas = areas
        self._margin = SEARCH_FRAMES * frame_duration(source)
        self._reader = SyncedFrameReader([source, clean] if clean else [source], self._margin)

    def add(self, time: float, moment: float, picture: RgbFrame) -> None:
        """Compare the frame at `time` with the source around `moment`."""
        near = self._reader.frames_near(moment)
        if not near:  # plays backward or repeats
            return
        picture = resize_to(picture, near[0][1][0])
        stay = unchanged_mask(self._areas, moment, self._margin, picture.shape[:2])
        errors = [mean_squared_error(picture, source, stay) for _, (source, *_) in near]
        best = int(np.argmin(errors))
        if stay.any():
            self.outside.append(errors[best])
            self.worst_tile = max(self.worst_tile, worst_tile_error(picture, near[best][1][0], stay))
        for clean in near[best][1][1:]:
            self._measure_text(TextMetric(moment, time, 0.0), picture, near[best][1][0], clean)

    def _measure_text(self, when: TextMetric, picture: RgbFrame, source: RgbFrame, clean: RgbFrame) -> None:
        """Measure how much of the text (source minus clean) remains in the picture."""
        go = erased_mask(self._areas, when.source_time, self._margin, picture.shape[:2])
        text = luma(source) - luma(clean)
        text[(np.abs(text) < MIN_TEXT_CONTRAST) | (go == 0)] = 0
        if np.count_nonzero(text) < MIN_TEXT_PIXELS:
            return
        rest = luma(picture) - luma(clean)
        self.texts.append(when._replace(left=max(0.0, float((rest * text).sum() / (text * text).sum()))))
        self.inside.append(mean_squared_error(picture, clean, go))


def _mean_psnr(errors: Sequence[float]) -> float | None:
    """The average PSNR in dB."""
    return sum(error_to_psnr(error) for error in errors) / len(errors) if errors else None
