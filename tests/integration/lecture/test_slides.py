"""All slides of a real video are found at the right times, whatever the video's encoding."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.sample_lecture import (
    CAMERA_MASK,
    SLIDE_ORDER,
    SLIDE_TEXTS,
    SPEECH_SECONDS,
    SampleLecture,
    draw_slide,
    slide_schedule,
)
from videojobs.lecture.models import SlideDeck, Span
from videojobs.lecture.options import SlideOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import extract_slides
from videojobs.lecture.validation import validate_lecture

TOLERANCE_SECONDS = 0.5  # seconds
SHORT_LECTURE_SECONDS = 23.0  # seconds: the first five slides


def expected_intervals(until: float = SPEECH_SECONDS) -> list[list[Span]]:
    """The times of each slide, in the order of their first appearance."""
    shown = [each for each in slide_schedule() if until - each.start > 2]
    spans: dict[int, list[Span]] = {}
    for each in shown:
        spans.setdefault(each.slide, []).append(Span(start=each.start, end=min(each.end, until)))
    return list(spans.values())


def start_errors(deck: SlideDeck, until: float = SPEECH_SECONDS) -> list[float]:
    """The error of each start in seconds; fails if a slide or one of its times is missing or extra."""
    wanted = expected_intervals(until)
    assert [len(each.spans) for each in deck.slides] == [len(spans) for spans in wanted]
    pairs = [
        (got, want)
        for each, spans in zip(deck.slides, wanted, strict=True)
        for got, want in zip(each.spans, spans, strict=True)
    ]
    return [abs(got.start - want.start) for got, want in pairs]


def detect_in(folder: Path, course: SampleLecture, name: str = "course.mp4", masks: bool = True) -> SlideDeck:
    path = course.write(folder / name)
    lecture = validate_lecture(path, LectureSettings())
    options = SlideOptions(masks=[CAMERA_MASK] if masks else [])
    return extract_slides(path, lecture, options, folder)


def test_every_slide_is_found_once_at_its_time(deck: SlideDeck) -> None:
    assert len(deck.slides) == len(SLIDE_TEXTS)
    assert max(start_errors(deck)) <= TOLERANCE_SECONDS


def test_each_slide_ends_where_the_next_one_begins(deck: SlideDeck) -> None:
    spans = sorted((span.start, span.end) for each in deck.slides for span in each.spans)
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] == pytest.approx(SPEECH_SECONDS, abs=TOLERANCE_SECONDS)


def test_each_picture_shows_the_whole_slide_after_its_animation(deck: SlideDeck, pictures: Path) -> None:
    for number, each in zip(dict.fromkeys(SLIDE_ORDER), deck.slides, strict=True):
        picture = np.asarray(cv2.imread(str(pictures / each.picture)))[..., ::-1].astype(int)
        truth = draw_slide(number, SPEECH_SECONDS)
        truth[252:, 486:] = picture[252:, 486:]  # the lecturer's corner
        assert (np.abs(picture - truth).max(axis=2) > 90).mean() < 0.003, each.number


def test_only_the_slides_pictures_are_left_behind(deck: SlideDeck, pictures: Path) -> None:
    pngs = {path.name for path in pictures.glob("slide-*")}
    assert pngs == {each.picture for each in deck.slides}


def test_the_times_go_through_json(deck: SlideDeck) -> None:
    assert SlideDeck.model_validate_json(deck.model_dump_json()) == deck


def test_a_lecturer_without_a_mask_hides_no_slide(video: Path, tmp_path: Path) -> None:
    lecture = validate_lecture(video, LectureSettings())
    first, *others = start_errors(extract_slides(video, lecture, SlideOptions(), tmp_path))
    assert max(others) <= TOLERANCE_SECONDS
    assert first <= 1.5  # detecting a constantly moving area takes this long


@pytest.mark.parametrize(
    ("name", "course"),
    [
        ("slow.mp4", SampleLecture(frame_rate=Fraction(3), end_seconds=SHORT_LECTURE_SECONDS)),
        ("odd.mp4", SampleLecture(frame_rate=Fraction(3003, 250), end_seconds=SHORT_LECTURE_SECONDS)),
        ("fast.mp4", SampleLecture(frame_rate=Fraction(50), size=(320, 180), end_seconds=SHORT_LECTURE_SECONDS)),
        ("large.mp4", SampleLecture(frame_rate=Fraction(5), size=(1280, 720), end_seconds=SHORT_LECTURE_SECONDS)),
        (
            "four_to_three.mp4",
            SampleLecture(frame_rate=Fraction(5), size=(480, 360), end_seconds=SHORT_LECTURE_SECONDS),
        ),
        ("screen.mp4", SampleLecture(slide_changes_only=True, camera=False, end_seconds=SHORT_LECTURE_SECONDS)),
        (
            "browser.webm",
            SampleLecture(
                codec="libvpx",
                voice="libopus",
                frame_rate=Fraction(8),
                size=(480, 270),
                end_seconds=SHORT_LECTURE_SECONDS,
            ),
        ),
        (
            "old.avi",
            SampleLecture(codec="mpeg4", voice="libmp3lame", frame_rate=Fraction(8), end_seconds=SHORT_LECTURE_SECONDS),
        ),
        ("recorder.mkv", SampleLecture(frame_rate=Fraction(8), end_seconds=SHORT_LECTURE_SECONDS)),
    ],
)
def test_any_rate_size_and_container_gives_the_same_slides(tmp_path: Path, name: str, course: SampleLecture) -> None:
    deck = detect_in(tmp_path, course, name)
    assert max(start_errors(deck, SHORT_LECTURE_SECONDS)) <= TOLERANCE_SECONDS + 1 / float(course.frame_rate)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_phone_s_video_is_turned_upright(tmp_path: Path, rotation: int) -> None:
    deck = detect_in(
        tmp_path, SampleLecture(rotation=rotation, frame_rate=Fraction(5), end_seconds=SHORT_LECTURE_SECONDS)
    )
    assert max(start_errors(deck, SHORT_LECTURE_SECONDS)) <= TOLERANCE_SECONDS
    picture = np.asarray(cv2.imread(str(tmp_path / deck.slides[0].picture)))
    height, width = picture.shape[:2]
    assert (width, height) == ((640, 360) if rotation == 180 else (360, 640))
    assert picture[5, 5, 0] > 90  # the blue bar is at the top
    assert picture[height // 2, 5].min() > 200


def test_progress_only_rises_to_the_end(video: Path, tmp_path: Path) -> None:
    progress_reports: list[float] = []
    lecture = validate_lecture(video, LectureSettings())
    extract_slides(video, lecture, SlideOptions(), tmp_path, on_progress=progress_reports.append)
    assert progress_reports == sorted(progress_reports)
    assert progress_reports[-1] == 1
    assert len(progress_reports) > 100
