"""The length that an audio file declares, without decoding it."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from tests.support.emulator_clips import SAMPLE_RATE, make_noise, write_audio
from videojobs.media.declared_length import declared_audio_seconds

SECONDS = 5.0


def encode(path: Path, codec: str) -> Path:
    samples = (make_noise(SECONDS, 1) * 32_767).astype(np.int16)
    with av.open(path, "w") as out:
        track = out.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        assert isinstance(track, AudioStream)
        for start in range(0, len(samples), SAMPLE_RATE // 10):
            frame = AudioFrame.from_ndarray(samples[None, start : start + SAMPLE_RATE // 10], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp3", "mp3"), ("a.m4a", "aac"), ("a.flac", "flac"), ("a.ogg", "libopus")]
)
def test_each_format_declares_its_length(tmp_path: Path, name: str, codec: str) -> None:
    assert declared_audio_seconds(encode(tmp_path / name, codec)) == pytest.approx(SECONDS, abs=0.1)


def test_a_wav_file_declares_its_length(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", SECONDS, 1)
    assert declared_audio_seconds(path) == pytest.approx(SECONDS, abs=0.01)
    assert declared_audio_seconds(io.BytesIO(path.read_bytes())) == pytest.approx(SECONDS, abs=0.01)


def test_an_mp3_without_a_declared_length_has_none(tmp_path: Path) -> None:
    """FFmpeg would guess it from the first bit rate."""
    path = encode(tmp_path / "a.mp3", "mp3")
    content = path.read_bytes().replace(b"Xing", b"xxxx").replace(b"Info", b"xxxx")
    path.write_bytes(content)
    assert declared_audio_seconds(path) is None


@pytest.mark.parametrize("content", [b"", b"text" * 100, b"RIFF\x24\0\0\0WAVEfmt " + b"s" * 1000])
def test_what_is_no_audio_has_no_length(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    assert declared_audio_seconds(tmp_path / "a.wav") is None
