"""Reads and writes audio as 16-bit samples: arrays of shape (2, samples) at 48 kHz."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from deployments.local.emulators.video import UndecodableMedia

SAMPLE_RATE = 48_000
BIT_RATE = 192_000  # transparent for speech: tests compare the audio sample by sample
CODEC_PADDING = 0.05  # seconds by which a codec's last block may exceed the declared end
MP4_CODECS = ("aac", "mp3", "mp3float", "ac3", "alac")
Samples = NDArray[np.int16]


def silence(seconds: float) -> Samples:
    return np.zeros((2, round(seconds * SAMPLE_RATE)), np.int16)


def duration_of(samples: Samples) -> float:
    return float(samples.shape[1] / SAMPLE_RATE)


def slice_audio(samples: Samples, start: float, end: float) -> Samples:
    """The audio from `start` to `end` (seconds), with silence outside the samples."""
    wanted = samples[:, round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    return fit_duration(wanted, end - start)


def fit_duration(samples: Samples, seconds: float) -> Samples:
    """Cut or pad with silence to exactly `seconds`."""
    missing = round(seconds * SAMPLE_RATE) - samples.shape[1]
    if missing <= 0:
        return samples[:, : samples.shape[1] + missing]
    return np.pad(samples, ((0, 0), (0, missing)))


def decode_audio(file: Path) -> Samples:
    """The whole first audio track, from the file's start. Raises UndecodableMedia, also without an audio track."""
    resampler = AudioResampler(format="s16p", layout="stereo", rate=SAMPLE_RATE)
    try:
        with av.open(file) as container:
            stream = container.streams.audio[0]
            frames = list(container.decode(stream))
            declared = float((stream.duration or 0) * (stream.time_base or 0))
            begins = (container.start_time or 0) / av.time_base  # hours, in a part of a stream
            pieces = [piece for frame in [*frames, None] for piece in resampler.resample(frame)]
    except (FFmpegError, IndexError) as error:
        raise UndecodableMedia(f"no readable sound: {error}") from error
    if not pieces:
        raise UndecodableMedia("the sound is empty")
    samples: Any = np.concatenate([piece.to_ndarray() for piece in pieces], axis=1)
    late = max(0.0, (frames[0].time or 0.0) - begins)
    if 0 < duration_of(samples) - declared < CODEC_PADDING:
        samples = fit_duration(samples, declared)
    return np.concatenate([silence(late), samples], axis=1)


def has_audio(file: Path) -> bool:
    with av.open(file) as container:
        return bool(container.streams.audio)


class AudioTrackWriter:
    """Writes an AAC track interleaved with the pictures, so that players need not seek."""

    def __init__(self, output: OutputContainer, samples: Samples) -> None:
        self._output = output
        self._samples = samples
        self._track: AudioStream = output.add_stream("aac", rate=SAMPLE_RATE)
        self._track.bit_rate = BIT_RATE
        self._track.layout = "stereo"
        self._samples_written = 0

    def write_until(self, seconds: float) -> None:
        """Write the audio before this time."""
        step = self._track.codec_context.frame_size or 1024
        while self._samples_written < min(self._samples.shape[1], seconds * SAMPLE_RATE):
            for frame in self._frames(step):
                self._output.mux(self._track.encode(frame))

    def _frames(self, step: int) -> Iterator[AudioFrame]:
        chunk = np.ascontiguousarray(self._samples[:, self._samples_written : self._samples_written + step])
        frame = AudioFrame.from_ndarray(chunk.astype(np.float32) / 32_768, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples_written, Fraction(1, SAMPLE_RATE)
        self._samples_written += chunk.shape[1]
        yield frame

    def close(self) -> None:
        """Write the rest."""
        self.write_until(duration_of(self._samples) + 1)
        self._output.mux(self._track.encode(None))


class AudioStreamCopier:
    """Copies another file's audio packets unchanged, interleaved with the pictures."""

    def __init__(self, output: OutputContainer, source: Path) -> None:
        self._output = output
        self._source = av.open(source)
        stream = self._source.streams.audio[0]
        self._track = output.add_stream_from_template(stream)
        self._packets = self._source.demux(stream)
        self._seconds_written = 0.0

    def write_until(self, seconds: float) -> None:
        """Write the audio before this time."""
        while self._seconds_written < seconds:
            packet = next(self._packets, None)
            if packet is None or packet.pts is None:  # demuxing ends with an empty packet
                return
            self._seconds_written = float(packet.pts * packet.time_base)
            packet.stream = self._track
            self._output.mux(packet)

    def close(self) -> None:
        """Write the rest."""
        self.write_until(float("inf"))
        self._source.close()


def can_copy_audio(file: Path) -> bool:
    """Whether an MP4 can hold the file's audio unchanged."""
    with av.open(file) as container:
        return container.streams.audio[0].codec_context.name in MP4_CODECS
