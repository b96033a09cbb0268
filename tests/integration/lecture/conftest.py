"""A lecture, made once for all tests of this layer, and its analysis results."""

from pathlib import Path

import pytest

from tests.support.sample_lecture import CAMERA_MASK, SampleLecture
from tests.support.tiny_whisper import write_model
from videojobs.lecture.models import LectureInfo, SlideDeck, Transcript
from videojobs.lecture.options import SlideOptions, SpeechOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import extract_slides
from videojobs.lecture.speech import transcribe
from videojobs.lecture.validation import validate_lecture


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SampleLecture().write(tmp_path_factory.mktemp("course") / "course.mp4")


@pytest.fixture(scope="session")
def lecture(video: Path) -> LectureInfo:
    return validate_lecture(video, LectureSettings())


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def deck(video: Path, lecture: LectureInfo, pictures: Path) -> SlideDeck:
    return extract_slides(video, lecture, SlideOptions(masks=[CAMERA_MASK]), pictures)


@pytest.fixture(scope="session")
def progress_reports() -> list[float]:
    """The progress reported during `transcript`."""
    return []


@pytest.fixture(scope="session")
def transcript(video: Path, lecture: LectureInfo, progress_reports: list[float]) -> Transcript:
    return transcribe(video, lecture, SpeechOptions(), LectureSettings(), on_progress=progress_reports.append)


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> LectureSettings:
    """Settings that name a model of a few megabytes."""
    model = write_model(tmp_path_factory.mktemp("models") / "tiny")
    return LectureSettings(whisper_model=str(model), whisper_device="cpu", whisper_threads=1)
