"""Reads audio as samples, and compares it."""

from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SAMPLE_RATE: Final = 16_000  # Hz; enough for speech, and preserved by every codec involved
MAX_LAG: Final = 0.1  # seconds; codecs and frame boundaries shift audio


def read_audio(file: Path, rate: int = SAMPLE_RATE) -> Samples:
    """All audio of a file, mixed to mono, -1..1, with silence before its start. Empty if it has none."""
    pieces = [np.zeros(0, np.float32)]
    with av.open(file, "r") as media:
        if media.streams.audio:
            resampler = av.AudioResampler("flt", "mono", rate)
            for number, frame in enumerate(media.decode(audio=0)):
                if number == 0:
                    pieces.append(np.zeros(round(max(0.0, frame.time or 0.0) * rate), np.float32))
                pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            pieces += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(pieces)


def max_correlation(heard: Samples, clip: Samples) -> float:
    """Maximum normalised cross-correlation of the clip with any part of `heard`; 1 is identical."""
    windows = len(heard) - len(clip) + 1
    if windows < 1 or not len(clip):
        return 0.0
    size = 1 << (len(heard) + len(clip)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clip, size)), size)[:windows]
    energy = np.cumsum(np.concatenate(([0.0], heard.astype(np.float64) ** 2)))
    around = np.sqrt(np.maximum(energy[len(clip) :] - energy[: -len(clip)], 1e-12))
    return float(np.max(product / around) / max(float(np.linalg.norm(clip)), 1e-6))


def audio_correlation(video: Path, start: float, end: float, clip: Path, clip_start: float = 0.0) -> float:
    """Correlation of the video's audio from `start` to `end` (seconds) with the clip from `clip_start`; 1 is equal."""
    sought = read_audio(clip)[round(clip_start * SAMPLE_RATE) :][: round((end - start) * SAMPLE_RATE)]
    heard = read_audio(video)
    margin = np.zeros(round(MAX_LAG * SAMPLE_RATE), np.float32)
    heard = np.concatenate((margin, heard, margin))
    return max_correlation(heard[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE) + 2 * len(margin)], sought)
