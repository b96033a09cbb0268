"""All slides of a real video are found at the right times, whatever the video's make."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.lecture.course import CAMERA, LENGTH, ORDER, TEXTS, Course, schedule, slide
from videojobs.lecture.checking import check_lecture
from videojobs.lecture.models import Deck, Span
from videojobs.lecture.options import SlideOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import find_slides

CLOSE = 0.5  # seconds
SHORT = 23.0  # seconds: the first five slides


def expected(until: float = LENGTH) -> list[list[Span]]:
    """The times of each slide, in the order in which they are first shown."""
    shown = [each for each in schedule() if until - each.start > 2]
    spans: dict[int, list[Span]] = {}
    for each in shown:
        spans.setdefault(each.slide, []).append(Span(start=each.start, end=min(each.end, until)))
    return list(spans.values())


def errors(deck: Deck, until: float = LENGTH) -> list[float]:
    """By how many seconds each start is wrong; fails where a slide or a time of one is missing or too many."""
    wanted = expected(until)
    assert [len(each.spans) for each in deck.slides] == [len(spans) for spans in wanted]
    pairs = [
        (got, want)
        for each, spans in zip(deck.slides, wanted, strict=True)
        for got, want in zip(each.spans, spans, strict=True)
    ]
    return [abs(got.start - want.start) for got, want in pairs]


def filmed(folder: Path, course: Course, name: str = "course.mp4", masks: bool = True) -> Deck:
    path = course.write(folder / name)
    lecture = check_lecture(path, LectureSettings())
    options = SlideOptions(masks=[CAMERA] if masks else [])
    return find_slides(path, lecture, options, folder)


def test_every_slide_is_found_once_at_its_time(deck: Deck) -> None:
    assert len(deck.slides) == len(TEXTS)
    assert max(errors(deck)) <= CLOSE


def test_each_slide_ends_where_the_next_one_begins(deck: Deck) -> None:
    spans = sorted((span.start, span.end) for each in deck.slides for span in each.spans)
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] == pytest.approx(LENGTH, abs=CLOSE)


def test_each_picture_shows_the_whole_slide_after_its_animation(deck: Deck, pictures: Path) -> None:
    for number, each in zip(dict.fromkeys(ORDER), deck.slides, strict=True):
        picture = np.asarray(cv2.imread(str(pictures / each.picture)))[..., ::-1].astype(int)
        truth = slide(number, LENGTH)
        truth[252:, 486:] = picture[252:, 486:]  # the lecturer's corner
        assert (np.abs(picture - truth).max(axis=2) > 90).mean() < 0.003, each.number


def test_only_the_slides_pictures_are_left_behind(deck: Deck, pictures: Path) -> None:
    pngs = {path.name for path in pictures.glob("slide-*")}
    assert pngs == {each.picture for each in deck.slides}


def test_the_times_go_through_json(deck: Deck) -> None:
    assert Deck.model_validate_json(deck.model_dump_json()) == deck


def test_a_lecturer_without_a_mask_hides_no_slide(video: Path, tmp_path: Path) -> None:
    lecture = check_lecture(video, LectureSettings())
    first, *others = errors(find_slides(video, lecture, SlideOptions(), tmp_path))
    assert max(others) <= CLOSE
    assert first <= 1.5  # so long it takes to learn that something moves all the time


@pytest.mark.parametrize(
    ("name", "course"),
    [
        ("slow.mp4", Course(rate=Fraction(3), until=SHORT)),
        ("odd.mp4", Course(rate=Fraction(3003, 250), until=SHORT)),
        ("fast.mp4", Course(rate=Fraction(50), size=(320, 180), until=SHORT)),
        ("large.mp4", Course(rate=Fraction(5), size=(1280, 720), until=SHORT)),
        ("four_to_three.mp4", Course(rate=Fraction(5), size=(480, 360), until=SHORT)),
        ("screen.mp4", Course(stills_only=True, camera=False, until=SHORT)),
        ("browser.webm", Course(codec="libvpx", voice="libopus", rate=Fraction(8), size=(480, 270), until=SHORT)),
        ("old.avi", Course(codec="mpeg4", voice="libmp3lame", rate=Fraction(8), until=SHORT)),
        ("recorder.mkv", Course(rate=Fraction(8), until=SHORT)),
    ],
)
def test_any_rate_size_and_container_gives_the_same_slides(tmp_path: Path, name: str, course: Course) -> None:
    deck = filmed(tmp_path, course, name)
    assert max(errors(deck, SHORT)) <= CLOSE + 1 / float(course.rate)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_phone_s_video_is_turned_upright(tmp_path: Path, rotation: int) -> None:
    deck = filmed(tmp_path, Course(rotation=rotation, rate=Fraction(5), until=SHORT))
    assert max(errors(deck, SHORT)) <= CLOSE
    picture = np.asarray(cv2.imread(str(tmp_path / deck.slides[0].picture)))
    height, width = picture.shape[:2]
    assert (width, height) == ((640, 360) if rotation == 180 else (360, 640))
    assert picture[5, 5, 0] > 90  # the blue bar is at the top
    assert picture[height // 2, 5].min() > 200


def test_progress_only_rises_to_the_end(video: Path, tmp_path: Path) -> None:
    told: list[float] = []
    lecture = check_lecture(video, LectureSettings())
    find_slides(video, lecture, SlideOptions(), tmp_path, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 100
