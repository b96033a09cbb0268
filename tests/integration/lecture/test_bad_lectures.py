"""Invalid lectures are rejected before processing starts, with a reason; unusual ones give the right result."""

import struct
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.support.audio_factory import AUDIO_RATE, write_slide_with_audio
from tests.support.sample_lecture import SPEECH, SPEECH_SECONDS, SampleLecture, draw_slide
from videojobs.errors import InvalidMedia, WorkCancelled
from videojobs.lecture.frame_sampling import sample_frames
from videojobs.lecture.options import SlideOptions
from videojobs.lecture.settings import HOUR, LectureSettings
from videojobs.lecture.slides import extract_slides
from videojobs.lecture.validation import validate_lecture

DEFAULT_SETTINGS = LectureSettings()


def write_hours_long_video(path: Path, hours: int) -> Path:
    """A new slide every hour and no frames in between: a small file that really is as long as its header says."""
    with av.open(path, "w") as film:
        track = film.add_stream("libx264", rate=5)
        assert isinstance(track, VideoStream)
        track.width, track.height, track.pix_fmt = 320, 180, "yuv420p"
        track.codec_context.time_base = Fraction(1, 5)
        for at in [*(hour * 18_000 for hour in range(hours)), hours * 18_000 - 1]:
            page = draw_slide(min(at // 18_000, 7), SPEECH_SECONDS, (320, 180))
            frame = VideoFrame.from_ndarray(page, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 5)
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
    return path


def test_a_four_hour_lecture_is_processed(tmp_path: Path) -> None:
    video = write_hours_long_video(tmp_path / "long.mp4", 4)
    lecture = validate_lecture(video, DEFAULT_SETTINGS)
    assert lecture.duration == pytest.approx(4 * HOUR, abs=1)
    deck = extract_slides(video, lecture, SlideOptions(), tmp_path)
    assert [each.start for each in deck.slides] == pytest.approx([0, HOUR, 2 * HOUR, 3 * HOUR], abs=0.5)


def test_a_slide_with_one_frame_shown_for_minutes_is_found(tmp_path: Path) -> None:
    """A screen recorder may write a frame only when something changes, and then none for minutes."""
    with av.open(tmp_path / "recorded.mkv", "w") as film:
        track = film.add_stream("libx264", rate=100)
        assert isinstance(track, VideoStream)
        track.width, track.height, track.pix_fmt = 320, 180, "yuv420p"
        for number, at in enumerate((0, 3, 6, 9, 60_00)):
            frame = VideoFrame.from_ndarray(draw_slide(number, SPEECH_SECONDS, (320, 180)), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 100)
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
    first, second, *_ = sample_frames(tmp_path / "recorded.mkv", Event())
    assert (first.start, first.end, second.start, second.end) == pytest.approx((0, 0.09, 0.09, 60))


def test_a_too_long_duration_in_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia, match="14400 s long; the limit is 10800 s"):
        validate_lecture(write_hours_long_video(tmp_path / "long.mp4", 4), LectureSettings(max_seconds=3 * HOUR))


def test_a_header_duration_without_frames_is_not_trusted(tmp_path: Path) -> None:
    """An MP4 lists its frames, so its true length is known.

    A Matroska file does not: frames missing from its declared duration are missing media.
    """
    second = np.zeros(AUDIO_RATE, np.int16)
    content = bytearray(write_slide_with_audio(tmp_path / "short.mp4", second).read_bytes())
    for name, place in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        at = content.find(name) + 4 + place
        content[at : at + 4] = (int.from_bytes(content[at : at + 4]) * 14_400).to_bytes(4)
    (tmp_path / "short.mp4").write_bytes(content)
    assert validate_lecture(tmp_path / "short.mp4", DEFAULT_SETTINGS).duration == 1

    content = bytearray(write_slide_with_audio(tmp_path / "short.mkv", second).read_bytes())
    at = content.find(b"\x44\x89\x88") + 3  # the element Duration, with 8 bytes of a float: milliseconds
    content[at : at + 8] = struct.pack(">d", 4 * HOUR * 1000)
    (tmp_path / "short.mkv").write_bytes(content)
    with pytest.raises(InvalidMedia, match="is truncated"):
        validate_lecture(tmp_path / "short.mkv", DEFAULT_SETTINGS)


def test_a_sound_file_is_refused(tmp_path: Path) -> None:
    with av.open(tmp_path / "sound.mp4", "w") as film, av.open(SPEECH) as speech:
        track = film.add_stream("aac", rate=48_000, layout="mono")
        for frame in speech.decode(audio=0):
            frame.pts = None
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
    with pytest.raises(InvalidMedia, match="no video track"):
        validate_lecture(tmp_path / "sound.mp4", DEFAULT_SETTINGS)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"Dear Sir or Madam, " * 100, "not a video"), (b"\0" * 5000, "not a video")],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "what.mp4").write_bytes(content)
    with pytest.raises(InvalidMedia, match=message):
        validate_lecture(tmp_path / "what.mp4", DEFAULT_SETTINGS)


def test_a_video_without_a_single_frame_is_refused(tmp_path: Path) -> None:
    with av.open(tmp_path / "none.mp4", "w", options={"movflags": "frag_keyframe+empty_moov"}) as film:
        track = film.add_stream("libx264", rate=5)
        assert isinstance(track, VideoStream)
        track.width, track.height, track.pix_fmt = 320, 180, "yuv420p"
        film.start_encoding()
    with pytest.raises(InvalidMedia):
        validate_lecture(tmp_path / "none.mp4", DEFAULT_SETTINGS)


def test_a_cut_off_or_damaged_file_is_refused(tmp_path: Path) -> None:
    video = SampleLecture(end_seconds=6).write(tmp_path / "whole.mp4")
    content = video.read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) // 2])
    rotten = bytearray(content)
    for place in range(len(content) // 4, len(content) // 2, 97):
        rotten[place] ^= 0xFF
    (tmp_path / "rotten.mp4").write_bytes(rotten)
    for name in ("half.mp4", "rotten.mp4"):
        with pytest.raises(InvalidMedia, match=r"is truncated|is damaged"):
            validate_lecture(tmp_path / name, DEFAULT_SETTINGS)


def test_a_container_the_operator_excluded_is_refused(video: Path) -> None:
    with pytest.raises(InvalidMedia, match="convert it to one of MKV"):
        validate_lecture(video, LectureSettings(containers=frozenset({"mkv"})))


def test_a_picture_without_slides_gives_none(tmp_path: Path) -> None:
    with av.open(tmp_path / "noise.mp4", "w") as film:
        track = film.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        assert isinstance(track, VideoStream)
        track.width, track.height, track.pix_fmt = 320, 180, "yuv420p"
        for number in range(30):
            noise = np.random.default_rng(number).integers(0, 255, (180, 320, 3), dtype=np.uint8)
            film.mux(track.encode(VideoFrame.from_ndarray(noise, format="rgb24")))
        film.mux(track.encode(None))
    lecture = validate_lecture(tmp_path / "noise.mp4", DEFAULT_SETTINGS)
    assert extract_slides(tmp_path / "noise.mp4", lecture, SlideOptions(), tmp_path).slides == []


def test_validation_and_slide_detection_stop_on_request(video: Path, tmp_path: Path) -> None:
    stop = Event()
    with pytest.raises(WorkCancelled):
        validate_lecture(
            video, DEFAULT_SETTINGS, on_progress=lambda share: stop.set() if share > 0.2 else None, stop=stop
        )
    lecture = validate_lecture(video, DEFAULT_SETTINGS)
    progress_reports: list[float] = []
    stop.clear()

    def stop_at_first_report(share: float) -> None:
        progress_reports.append(share)
        stop.set()

    with pytest.raises(WorkCancelled):
        extract_slides(video, lecture, SlideOptions(), tmp_path, on_progress=stop_at_first_report, stop=stop)
    assert len(progress_reports) < 5
    assert not list(tmp_path.iterdir())
