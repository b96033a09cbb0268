"""A clip with texts in five places, voices to replace its sound, and the share of each text that a result shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from deployments.local.quality import TimeMapping, read_frames
from deployments.local.quality.comparison import source_time
from deployments.local.sample import Caption, write_clip

SECONDS: Final = 12.0
SIZE: Final = (480, 270)
FRAME_RATE: Final = Fraction(15)  # frames per second: few, since each is drawn a dozen times
CAPTIONS: Final = {
    "upper left": Caption(0, SECONDS, 0.0, 0.0, 0.3, 0.16, "Sylt 2021"),
    "upper right": Caption(0, SECONDS, 0.68, 0.02, 0.3, 0.16, "Ferien"),
    "middle": Caption(0, SECONDS, 0.35, 0.4, 0.3, 0.16, "Morgens"),
    "lower left": Caption(0, SECONDS, 0.02, 0.82, 0.3, 0.16, "Am Strand"),
    "lower right": Caption(0, SECONDS, 0.69, 0.82, 0.3, 0.16, "Episode 7"),
}
VOICE_RATE: Final = 48_000  # Hz
AUDIO_CODECS: Final = {
    "wav": "pcm_s16le",
    "mp3": "libmp3lame",
    "m4a": "aac",
    "aac": "aac",
    "flac": "flac",
    "ogg": "opus",
}
CONTAINERS: Final = {"m4a": "ipod", "aac": "adts"}  # of the file names whose ending FFmpeg names otherwise
MIN_CONTRAST: Final = 48  # of 255, between a text's strokes and the pixels they cover
SHOWN_SHARE, GONE_SHARE = 0.8, 0.2  # of a text's contrast: above it is readable, below it is not


@dataclass(frozen=True, slots=True)
class HolidayClip:
    """`clean` is the same video without its texts."""

    video: Path
    clean: Path


def write_holiday_clip(folder: Path) -> HolidayClip:
    """The clip under a name as a camera's owner gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = HolidayClip(folder / "Grüße aus Köln (Schnitt 2).mp4", folder / "clean.mp4")
    sound = write_voice(folder / "sea.wav", SECONDS, seed=1)
    write_clip(
        clip.video,
        seconds=SECONDS,
        size=SIZE,
        fps=FRAME_RATE,
        captions=list(CAPTIONS.values()),
        sound=sound,
        clean=clip.clean,
    )
    return clip


def write_voice(path: Path, seconds: float, seed: int) -> Path:
    """Sound without pauses, whose parts are all different: noise in the range of speech, which codecs keep."""
    kind = path.suffix.removeprefix(".")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w", format=CONTAINERS.get(kind)) as file:
        track = file.add_stream(AUDIO_CODECS[kind], rate=VOICE_RATE, layout="mono")
        assert isinstance(track, AudioStream)
        if kind not in ("wav", "flac"):
            track.bit_rate = 128_000
        for frame in _voice_frames(seconds, seed, track):
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
    return path


def _voice_frames(seconds: float, seed: int, track: AudioStream) -> Iterator[AudioFrame]:
    noise = np.random.default_rng(seed).normal(0, 1, round(seconds * VOICE_RATE))
    smooth = np.convolve(noise, np.hanning(48), "same")
    samples = (smooth / np.abs(smooth).max() * 16_000).astype(np.int16)
    frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = VOICE_RATE, 0, Fraction(1, VOICE_RATE)
    context = track.codec_context
    resampler = av.AudioResampler(context.format, "mono", VOICE_RATE, context.frame_size or 1024)
    yield from resampler.resample(frame)
    yield from resampler.resample(None)


@dataclass(frozen=True, slots=True)
class TextSight:
    """The share of one text that the result shows at a time at which the source shows `moment` (seconds)."""

    moment: float
    share: float


def text_sights(clip: HolidayClip, result: Path, pieces: Sequence[TimeMapping]) -> dict[str, list[TextSight]]:
    """How much of each text each frame of the result shows: 1 is all of it. `pieces` map the times to the clip's."""
    sights: dict[str, list[TextSight]] = {name: [] for name in CAPTIONS}
    patterns, behind = _text_patterns(clip), _clean_pictures(clip)
    for time, picture in read_frames(result):
        moment = source_time(time, pieces)
        if moment is None:
            continue
        bare = behind[min(int(moment * FRAME_RATE + 1e-6), len(behind) - 1)]
        difference = _to_grey(picture) - bare
        for name, pattern in patterns.items():
            share = float((difference * pattern).sum() / (pattern * pattern).sum())
            sights[name].append(TextSight(moment, share))
    return sights


@cache
def _clean_pictures(clip: HolidayClip) -> list[NDArray[Any]]:
    return [_to_grey(picture) for _, picture in read_frames(clip.clean)]


@cache
def _text_patterns(clip: HolidayClip) -> dict[str, NDArray[Any]]:
    """The contrast of each text's strokes with the picture behind it, 0 elsewhere."""
    shown = _to_grey(next(picture for _, picture in read_frames(clip.video)))
    contrast = shown - _clean_pictures(clip)[0]
    contrast[np.abs(contrast) < MIN_CONTRAST] = 0
    return {name: contrast * _box_of(caption, contrast.shape) for name, caption in CAPTIONS.items()}


def _box_of(caption: Caption, shape: tuple[int, ...]) -> NDArray[Any]:
    height, width = shape[:2]
    box = np.zeros((height, width), np.float32)
    top, left = round(caption.y * height), round(caption.x * width)
    box[top : round((caption.y + caption.h) * height), left : round((caption.x + caption.w) * width)] = 1
    return box


def _to_grey(picture: NDArray[np.uint8]) -> NDArray[Any]:
    return np.asarray(picture[:, :, 1], np.float32)  # green contributes most to brightness
