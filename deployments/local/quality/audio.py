"""Sounds as numbers, and how alike two of them are."""

from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SAMPLE_RATE: Final = 16_000  # Hz; enough for speech, and what survives every codec on the way
MAX_LAG: Final = 0.1  # seconds by which a sound may come early or late: codecs and frame borders shift it


def read_audio(file: Path, rate: int = SAMPLE_RATE) -> Samples:
    """The whole sound of a file, mixed to one channel, -1..1; silence before it starts. Empty where it has none."""
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
    """Normalised cross-correlation of the clip with the place in `heard` where it fits best: 1 is the very same."""
    windows = len(heard) - len(clip) + 1
    if windows < 1 or not len(clip):
        return 0.0
    size = 1 << (len(heard) + len(clip)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clip, size)), size)[:windows]
    energy = np.cumsum(np.concatenate(([0.0], heard.astype(np.float64) ** 2)))
    around = np.sqrt(np.maximum(energy[len(clip) :] - energy[: -len(clip)], 1e-12))
    return float(np.max(product / around) / max(float(np.linalg.norm(clip)), 1e-6))


def audio_correlation(video: Path, start: float, end: float, clip: Path, clip_start: float = 0.0) -> float:
    """How alike the video's sound from `start` to `end` (seconds) is to the clip from `clip_start` on; 1 is equal."""
    sought = read_audio(clip)[round(clip_start * SAMPLE_RATE) :][: round((end - start) * SAMPLE_RATE)]
    heard = read_audio(video)
    margin = np.zeros(round(MAX_LAG * SAMPLE_RATE), np.float32)
    heard = np.concatenate((margin, heard, margin))
    return max_correlation(heard[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE) + 2 * len(margin)], sought)
