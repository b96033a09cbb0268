"""Decodes the audio track for speech recognition: mono, 16 kHz, in chunks of bounded size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from videojobs.errors import NoAudioTrack
from videojobs.lecture.progress import raise_if_cancelled
from videojobs.media.decoding import open_media
from videojobs.media.tracks import audio_track

Samples = NDArray[np.int16]

SAMPLE_RATE: Final = 16_000  # Hz; both engines' models require it
MAX_CHUNK_SECONDS: Final = 300.0  # 10 MB of samples; Whisper's own windows are 30 s
_CUT_SEARCH_SECONDS: Final = 30.0  # at a chunk's end; the cut is at its quietest point
_QUIET_WINDOW_SECONDS: Final = 0.3  # a pause between two sentences
_MAX_GAP_SECONDS: Final = 0.1  # longer gaps in the track become silence: subtitles must not run ahead


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A part of the audio; `start` in seconds of the lecture."""

    start: float
    samples: Samples

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / SAMPLE_RATE


def audio_chunks(path: Path, stop: Event, max_seconds: float = MAX_CHUNK_SECONDS) -> Iterator[AudioChunk]:
    """The audio track in chunks of at most `max_seconds`, cut where it is quiet.

    Raises NoAudioTrack and WorkCancelled.
    """
    pending, start = np.zeros(0, np.int16), 0.0
    for block in _coalesce_blocks(audio_blocks(path, stop)):
        pending = np.concatenate([pending, block])
        if len(pending) >= max_seconds * SAMPLE_RATE:
            cut = find_quiet_cut(pending, min(_CUT_SEARCH_SECONDS, max_seconds / 2))
            chunk = AudioChunk(start, pending[:cut])
            yield chunk
            pending, start = pending[cut:], chunk.end
    if len(pending):
        yield AudioChunk(start, pending)


def find_quiet_cut(samples: Samples, tail: float) -> int:
    """Index of the middle sample of the quietest window in the last `tail` seconds."""
    first = max(0, len(samples) - int(tail * SAMPLE_RATE))
    energy = np.cumsum(np.square(samples[first:].astype(np.float64)))
    width = int(_QUIET_WINDOW_SECONDS * SAMPLE_RATE)
    if len(energy) <= width:
        return len(samples)
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def audio_blocks(path: Path, stop: Event) -> Iterator[Samples]:
    """The audio track from the start of the file, with its gaps filled with silence."""
    with open_media(path) as media:
        track = audio_track(media.container)
        if track is None:
            raise NoAudioTrack("the video has no audio track that can be decoded")
        yield from _resample(media.container, track, stop)


def _coalesce_blocks(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """Join blocks to at least ten seconds: a decoder's have 20 ms, and each would copy the pending samples."""
    gathered: list[Samples] = []
    length = 0
    for block in blocks:
        gathered.append(block)
        length += len(block)
        if length >= 10 * SAMPLE_RATE:
            yield np.concatenate(gathered)
            gathered, length = [], 0
    if gathered:
        yield np.concatenate(gathered)


def _resample(container: InputContainer, track: AudioStream, stop: Event) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    origin, fed = (container.start_time or 0) / av.time_base, 0.0
    for frame in _decode_frames(container, track, stop):
        missing = (frame.time or 0.0) - origin - fed if frame.time is not None else 0.0
        if missing > _MAX_GAP_SECONDS:
            yield from _silence(missing)
            fed += missing
        fed += frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would fill the same gap again
        for piece in resampler.resample(frame):
            yield _to_samples(piece)
    for piece in resampler.resample(None):
        yield _to_samples(piece)


def _to_samples(frame: AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray(), np.int16).reshape(-1)


def _silence(seconds: float) -> Iterator[Samples]:
    """Silence in blocks of one second: a gap may be hours long."""
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        yield np.zeros(min(left, SAMPLE_RATE), np.int16)
        left -= SAMPLE_RATE


def _decode_frames(container: InputContainer, track: AudioStream, stop: Event) -> Iterator[AudioFrame]:
    packets = container.demux(track)
    while True:
        raise_if_cancelled(stop)
        try:
            yield from (frame for frame in next(packets).decode() if isinstance(frame, AudioFrame))
        except StopIteration:
            return
        except av.InvalidDataError:
            continue
