"""A lecture's times are those of a player, wherever its picture and its sound start and end."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.support.media_factory import MediaSpec
from tests.support.sample_lecture import SPEECH_SECONDS, draw_slide
from videojobs.lecture.audio_chunks import SAMPLE_RATE, audio_blocks
from videojobs.lecture.models import SlideDeck
from videojobs.lecture.options import SlideOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import extract_slides
from videojobs.lecture.validation import validate_lecture


def write_screen_recording(path: Path, changes: Sequence[float], seconds: float, start_offset: float = 0.0) -> Path:
    """A frame only where the slide changes, as some screen recorders write it; the sound goes from 0 to the end.

    All times of the file are `start_offset` seconds later.
    """
    codecs = ("libvpx", "libopus") if path.suffix == ".webm" else ("libx264", "aac")
    with av.open(path, "w") as film:
        track, heard = film.add_stream(codecs[0], rate=30), film.add_stream(codecs[1], rate=48_000, layout="mono")
        assert isinstance(track, VideoStream)
        assert isinstance(heard, AudioStream)
        track.width, track.height, track.pix_fmt = 320, 180, "yuv420p"
        track.codec_context.time_base, track.codec_context.max_b_frames = Fraction(1, 1000), 0
        for number, at in enumerate(changes):
            frame = VideoFrame.from_ndarray(draw_slide(number, SPEECH_SECONDS, (320, 180)), format="rgb24")
            frame.pts, frame.time_base = round((start_offset + at) * 1000), Fraction(1, 1000)
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
        hum = (np.sin(np.arange(round(seconds * 48_000)) / 20) * 8000).astype(np.int16)
        tone = AudioFrame.from_ndarray(hum.reshape(1, -1), format="s16", layout="mono")
        tone.sample_rate, tone.pts, tone.time_base = 48_000, round(start_offset * 48_000), Fraction(1, 48_000)
        resampler = av.AudioResampler(heard.codec_context.format, "mono", 48_000, heard.codec_context.frame_size or 960)
        for piece in resampler.resample(tone) + resampler.resample(None):
            film.mux(heard.encode(piece))
        film.mux(heard.encode(None))
    return path


def detect_deck(path: Path) -> SlideDeck:
    return extract_slides(path, validate_lecture(path, LectureSettings()), SlideOptions(), path.parent)


def slide_times(deck: SlideDeck) -> list[tuple[float, float]]:
    return [(span.start, span.end) for each in deck.slides for span in each.spans]


def recognizable_seconds(path: Path) -> float:
    """The seconds of audio passed to speech recognition; word times refer to them."""
    return sum(len(samples) for samples in audio_blocks(path, Event())) / SAMPLE_RATE


@pytest.mark.parametrize("ending", ["mp4", "mov", "webm", "mkv"])
def test_the_last_slide_lasts_until_the_audio_ends(tmp_path: Path, ending: str) -> None:
    deck = detect_deck(write_screen_recording(tmp_path / f"stills.{ending}", [0, 3, 6, 9], 12))
    assert np.array(slide_times(deck)) == pytest.approx(np.array([(0, 3), (3, 6), (6, 9), (9, 12)]), abs=0.05)
    assert deck.duration == pytest.approx(12, abs=0.05)


@pytest.mark.parametrize("ending", ["mp4", "webm", "mkv"])
def test_a_late_video_track_does_not_shift_slide_times(tmp_path: Path, ending: str) -> None:
    video = write_screen_recording(tmp_path / f"late.{ending}", [2, 5, 8], 12)
    deck = detect_deck(video)
    assert np.array(slide_times(deck)) == pytest.approx(np.array([(2, 5), (5, 8), (8, 12)]), abs=0.05)
    assert (deck.duration, recognizable_seconds(video)) == pytest.approx((12, 12), abs=0.05)


@pytest.mark.parametrize("ending", ["mp4", "webm", "mkv"])
@pytest.mark.parametrize("begins", [1.4, 86_000.0])
def test_a_stream_excerpt_is_timed_from_its_own_start(tmp_path: Path, ending: str, begins: float) -> None:
    """By its timestamps, it is longer than the limit for a lecture."""
    video = write_screen_recording(tmp_path / f"part.{ending}", [0, 3, 6, 9], 12, begins)
    deck = detect_deck(video)
    assert np.array(slide_times(deck)) == pytest.approx(np.array([(0, 3), (3, 6), (6, 9), (9, 12)]), abs=0.25)
    assert (deck.duration, recognizable_seconds(video)) == pytest.approx((12, 12), abs=0.05)


def test_a_shorter_audio_track_does_not_shorten_the_lecture(tmp_path: Path) -> None:
    film = MediaSpec(seconds=6, frame_rate=Fraction(5))
    video = replace(film, audio_start=Fraction(2), audio_seconds=2).write(tmp_path / "short.mp4")
    assert validate_lecture(video, LectureSettings()).duration == pytest.approx(6)
    assert recognizable_seconds(video) == pytest.approx(4, abs=0.1)
