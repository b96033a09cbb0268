"""The figures of a finished video, and whether they are good enough."""

from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_LENGTH_ERROR: Final = 0.1  # seconds: two frames, and what sound codecs add at the end
MIN_AUDIO_CORRELATION: Final = 0.9  # speech through AAC stays above 0.98; other speech is below 0.3
MAX_TEXT_RESIDUE: Final = 0.15  # share of the text's contrast; a ghost of that strength cannot be read
MIN_OUTSIDE_PSNR: Final = 36.0  # dB on the average; two codings of good quality stay above 40
MIN_WORST_TILE_PSNR: Final = 32.0  # dB in a tile of one frame


class AudioMetric(NamedTuple):
    """How alike the result's sound from `start` to `end` (seconds) is to its clip; 1 is equal."""

    start: float
    end: float
    correlation: float


class TextMetric(NamedTuple):
    """How much of a text the result still shows at a moment at which the source does: 1 is all of it."""

    source_time: float
    result_time: float
    left: float


class Metric(NamedTuple):
    """One figure for people to read."""

    name: str
    value: str
    is_ok: bool


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Times are in seconds, likeness (PSNR) in dB. None where there was nothing to compare."""

    length: float
    expected_length: float
    sounds: tuple[AudioMetric, ...]
    texts: tuple[TextMetric, ...]
    inside_psnr: float | None  # the areas against the clean video, while a text was visible
    outside_psnr: float | None  # all that had to stay as it was: the average of all frames
    worst_tile_psnr: float | None  # the same, of a tile (1/144 of the picture) in one frame

    @property
    def text_residue(self) -> float | None:
        """At the worst moment."""
        return max((figure.left for figure in self.texts), default=None)

    def metrics(self) -> list[Metric]:
        """Every figure that there is."""
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
        """What is not good enough."""
        return [f"{row.name}: {row.value}" for row in self.metrics() if not row.is_ok]
