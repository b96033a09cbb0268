"""Quality metrics of a result, and their thresholds."""

from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_LENGTH_ERROR: Final = 0.1  # seconds: two frames, and the padding of audio codecs
MIN_AUDIO_CORRELATION: Final = 0.9  # speech through AAC stays above 0.98; unrelated speech is below 0.3
MAX_TEXT_RESIDUE: Final = 0.15  # share of the text's contrast; such a faint ghost is unreadable
MIN_OUTSIDE_PSNR: Final = 36.0  # average in dB; two encodings of good quality stay above 40
MIN_WORST_TILE_PSNR: Final = 32.0  # dB, in one tile of one frame


class AudioMetric(NamedTuple):
    """Correlation of the result's audio from `start` to `end` (seconds) with its clip; 1 is equal."""

    start: float
    end: float
    correlation: float


class TextMetric(NamedTuple):
    """Share of a text that the result still shows at a time at which the source shows it; 1 is all."""

    source_time: float
    result_time: float
    left: float


class Metric(NamedTuple):
    """One metric for display."""

    name: str
    value: str
    is_ok: bool


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Times are in seconds, PSNR in dB. None if there was nothing to compare."""

    length: float
    expected_length: float
    sounds: tuple[AudioMetric, ...]
    texts: tuple[TextMetric, ...]
    inside_psnr: float | None  # the areas against the clean video, while text was visible
    outside_psnr: float | None  # all that must be unchanged: the average of all frames
    worst_tile_psnr: float | None  # the same, for one tile (1/144 of the picture) of one frame

    @property
    def text_residue(self) -> float | None:
        """The largest of all."""
        return max((figure.left for figure in self.texts), default=None)

    def metrics(self) -> list[Metric]:
        """All metrics that were measured."""
        off = abs(self.length - self.expected_length)
        rows = [
            Metric("length", f"{self.length:.2f} s ({self.expected_length:.2f} s expected)", off <= MAX_LENGTH_ERROR)
        ]
        for start, end, correlation in self.sounds:
            name = f"sound {start:.2f}-{end:.2f} s"
            rows.append(
                Metric(name, f"correlation {correlation:.3f} with its clip", correlation >= MIN_AUDIO_CORRELATION)
            )
        if self.text_residue is not None:
            value = f"{self.text_residue:.1%} left at most, in {len(self.texts)} frames"
            rows.append(Metric("text in the areas", value, self.text_residue <= MAX_TEXT_RESIDUE))
        if self.inside_psnr is not None:
            rows.append(Metric("areas without text", f"{self.inside_psnr:.1f} dB against the clean video", True))
        if self.outside_psnr is not None and self.worst_tile_psnr is not None:
            value = f"{self.outside_psnr:.1f} dB against the source, {self.worst_tile_psnr:.1f} dB in the worst tile"
            good = self.outside_psnr >= MIN_OUTSIDE_PSNR and self.worst_tile_psnr >= MIN_WORST_TILE_PSNR
            rows.append(Metric("all the rest", value, good))
        return rows

    def failures(self) -> list[str]:
        """One message for each missed threshold."""
        return [f"{row.name}: {row.value}" for row in self.metrics() if not row.is_ok]
