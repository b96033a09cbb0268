"""Tiny clips with numbered frames and recognizable sound, and functions that read both back."""

import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
WIDTH, HEIGHT = 160, 96
NUMBER_BITS, BIT_SIZE = 8, 12  # the frame number as black and white squares along the top

Frames = NDArray[np.uint8]  # (number, height, width): luma
Samples = NDArray[np.float32]  # 48 kHz, mono


def make_noise(seconds: float, seed: int) -> Samples:
    """Noise without the high frequencies that a codec drops. Each seed gives different noise."""
    noise = np.random.default_rng(seed).normal(0, 1, round(seconds * SAMPLE_RATE))
    smooth = np.convolve(noise, np.hanning(24), "same")
    return np.asarray(smooth / np.abs(smooth).max() * 0.5, np.float32)


def write_audio(file: Path, seconds: float, seed: int) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((make_noise(seconds, seed) * 32_767).astype("<i2").tobytes())
    return file


def draw_frame(number: int, *, text: bool) -> NDArray[np.uint8]:
    """A frame with a soft, moving background, its number along the top, and a caption near the bottom."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    hues = [120 + 40 * np.sin(columns / 40 + number / 15 + channel) + rows / 4 for channel in range(3)]
    image = np.ascontiguousarray(np.dstack(hues).clip(0, 255).astype(np.uint8))
    for bit in range(NUMBER_BITS):
        image[:BIT_SIZE, bit * BIT_SIZE : (bit + 1) * BIT_SIZE] = 235 if number >> bit & 1 else 20
    if text:
        for colour, thickness in ((0, 4), (255, 1)):
            cv2.putText(image, "CAPTION", (30, 80), 0, 0.6, (colour,) * 3, thickness, cv2.LINE_AA)
    return image


def write_video(file: Path, *, seconds: float = 3.0, rate: int = 25, seed: int | None = 1, text: bool = True) -> Path:
    """H.264, and AAC made from `voice(seconds, seed)` unless the seed is None."""
    with av.open(file, "w") as film:
        track = film.add_stream("libx264", rate=Fraction(rate), options={"crf": "10"})
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio_track = film.add_stream("aac", rate=SAMPLE_RATE) if seed is not None else None
        for number in range(round(seconds * rate)):
            frame = VideoFrame.from_ndarray(draw_frame(number, text=text), format="bgr24")
            frame.pts = number
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
        if audio_track and seed is not None:
            samples = make_noise(seconds, seed)[None]
            for start in range(0, samples.shape[1], 1024):
                chunk = AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[:, start : start + 1024]), format="fltp", layout="mono"
                )
                chunk.sample_rate, chunk.pts = SAMPLE_RATE, start
                film.mux(audio_track.encode(chunk))
            film.mux(audio_track.encode(None))
    return file


@dataclass(frozen=True)
class DecodedVideo:
    """The decoded frames and samples of a video."""

    frames: Frames
    samples: Samples
    frame_rate: Fraction

    @property
    def frame_numbers(self) -> list[int]:
        """The number encoded in each frame."""
        squares = self.frames[:, BIT_SIZE // 2, BIT_SIZE // 2 : NUMBER_BITS * BIT_SIZE : BIT_SIZE] > 128
        return [int(sum(1 << bit for bit in range(NUMBER_BITS) if row[bit])) for row in squares]

    def samples_between(self, start: float, end: float) -> Samples:
        return self.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def decode_video(file: Path) -> DecodedVideo:
    with av.open(file) as film:
        stream = film.streams.video[0]
        pictures = [frame.to_ndarray()[: frame.height, : frame.width] for frame in film.decode(stream)]
        rate = stream.average_rate or Fraction(0)
        return DecodedVideo(np.stack(pictures).astype(np.uint8), decode_audio(file), rate)


def decode_audio(file: Path) -> Samples:
    """The decoded sound of a file; empty if there is none."""
    resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
    with av.open(file) as film:
        if not film.streams.audio:
            return np.zeros(0, np.float32)
        frames = [piece for frame in film.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def correlation(one: Samples, other: Samples) -> float:
    """Correlation at zero lag: 1 for the same sound, about 0 for unrelated sounds."""
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


def psnr(one: Frames, other: Frames) -> float:
    """Peak signal-to-noise ratio in dB: above 38, differences are invisible."""
    error = np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))
