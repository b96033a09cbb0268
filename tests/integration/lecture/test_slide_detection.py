"""Slide detection on drawn frames: no file is decoded."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tests.support.sample_lecture import SLIDE_TEXTS, draw_slide
from videojobs.lecture.frame_sampling import SAMPLE_INTERVAL, Sample
from videojobs.lecture.frame_signature import FrameSignature, bit_difference_ratio, build_signature, build_visible_mask
from videojobs.lecture.models import Slide
from videojobs.lecture.options import Mask, SlideOptions
from videojobs.lecture.slides import IMAGE_LONG_SIDE, SlideDetector

Frame = NDArray[np.uint8]
Scene = tuple[float, Callable[[float], Frame]]
FULLY_SHOWN = 99.0  # seconds after which a slide is complete
CORNER_MASK = Mask(x=0.76, y=0.7, w=0.24, h=0.3)


def static_slide(number: int, size: tuple[int, int] = (640, 360)) -> Callable[[float], Frame]:
    picture = draw_slide(number, FULLY_SHOWN, size)
    return lambda _since: picture


def animated_slide(number: int) -> Callable[[float], Frame]:
    return lambda since: draw_slide(number, since)


def solid_color(shade: int) -> Callable[[float], Frame]:
    return lambda _since: np.full((360, 640, 3), shade, np.uint8)


def make_sample(frame: Frame, start: float = 0.0) -> Sample:
    return Sample(start, start + SAMPLE_INTERVAL, VideoFrame.from_ndarray(frame, format="rgb24"), 1.0)


def detect(folder: Path, scenes: Iterable[Scene], options: SlideOptions | None = None) -> list[Slide]:
    """The slides detected in a sequence of scenes."""
    finder, at = SlideDetector(options or SlideOptions(), folder), 0.0
    for seconds, draw in scenes:
        for step in range(round(seconds / SAMPLE_INTERVAL)):
            finder.add(make_sample(draw(step * SAMPLE_INTERVAL), at))
            at += SAMPLE_INTERVAL
    return finder.finish()


def slide_times(slides: list[Slide]) -> list[list[tuple[float, float]]]:
    return [[(round(span.start, 1), round(span.end, 1)) for span in each.spans] for each in slides]


def slide_image(folder: Path, each: Slide) -> Frame:
    return np.asarray(cv2.imread(str(folder / each.picture)), np.uint8)[..., ::-1]


def is_similar(one: Frame, other: Frame) -> bool:
    return bool((np.abs(one.astype(int) - other).max(axis=2) > 60).mean() < 0.002)


def test_slides_that_follow_each_other(tmp_path: Path) -> None:
    slides = detect(tmp_path, [(4, static_slide(0)), (3, static_slide(1)), (5, static_slide(2))])
    assert slide_times(slides) == [[(0, 4)], [(4, 7)], [(7, 12)]]
    assert [each.number for each in slides] == [1, 2, 3]


def test_slides_of_one_design_are_distinguished(tmp_path: Path) -> None:
    assert len(detect(tmp_path, [(3, static_slide(number)) for number in range(len(SLIDE_TEXTS))])) == len(SLIDE_TEXTS)


def test_the_slide_image_includes_animated_lines(tmp_path: Path) -> None:
    [only] = detect(tmp_path, [(6, animated_slide(1))])
    assert is_similar(slide_image(tmp_path, only), draw_slide(1, FULLY_SHOWN))


def test_the_slide_image_is_from_before_the_next_transition(tmp_path: Path) -> None:
    slides = detect(tmp_path, [(6, animated_slide(1)), (6, animated_slide(3))])
    assert is_similar(slide_image(tmp_path, slides[0]), draw_slide(1, FULLY_SHOWN))
    assert is_similar(slide_image(tmp_path, slides[1]), draw_slide(3, FULLY_SHOWN))
    assert slide_times(slides) == [[(0, 6)], [(6, 12)]]


def test_a_jump_back_is_another_time_of_the_same_slide(tmp_path: Path) -> None:
    slides = detect(tmp_path, [(3, static_slide(0)), (3, static_slide(1)), (3, static_slide(0)), (3, static_slide(2))])
    assert slide_times(slides) == [[(0, 3), (6, 9)], [(3, 6)], [(9, 12)]]
    assert len(list(tmp_path.iterdir())) == 3


def test_blank_pictures_are_no_slides(tmp_path: Path) -> None:
    slides = detect(
        tmp_path,
        [(3, solid_color(0)), (3, static_slide(0)), (4, solid_color(255)), (3, static_slide(1)), (3, solid_color(0))],
    )
    assert slide_times(slides) == [[(3, 6)], [(10, 13)]]


def test_a_slide_that_goes_blank_for_a_while_is_shown_twice(tmp_path: Path) -> None:
    assert slide_times(detect(tmp_path, [(3, static_slide(0)), (4, solid_color(0)), (3, static_slide(0))])) == [
        [(0, 3), (7, 10)]
    ]


def test_leafing_through_slides_leaves_them_out(tmp_path: Path) -> None:
    slides = detect(
        tmp_path, [(3, static_slide(0)), (0.6, static_slide(1)), (0.6, static_slide(2)), (3, static_slide(3))]
    )
    assert slide_times(slides)[1:] == [[(4.2, 7.2)]]


def test_the_shortest_slide_is_a_choice(tmp_path: Path) -> None:
    scenes = [(3.0, static_slide(0)), (1.0, static_slide(1)), (3.0, static_slide(2))]
    assert len(detect(tmp_path, scenes)) == 2
    assert len(detect(tmp_path, scenes, SlideOptions(min_seconds=0.8))) == 3


def test_a_faded_in_slide_starts_at_the_start_of_the_fade(tmp_path: Path) -> None:
    def fade_in(since: float) -> Frame:
        return np.asarray(
            cv2.addWeighted(draw_slide(0, FULLY_SHOWN), 1 - since, draw_slide(1, FULLY_SHOWN), since, 0), np.uint8
        )

    slides = detect(tmp_path, [(3, static_slide(0)), (1, fade_in), (3, static_slide(1))])
    assert slides[1].start == pytest.approx(3.5, abs=0.5)
    assert len(slides) == 2


def test_a_replaced_line_makes_a_new_slide_when_configured(tmp_path: Path) -> None:
    def replace_line(_since: float) -> Frame:
        page = draw_slide(3, FULLY_SHOWN)
        page[95:125, :440] = 250
        cv2.putText(page, "- Something else", (50, 115), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2)
        return page

    scenes = [(3.0, static_slide(3)), (3.0, replace_line)]
    assert len(detect(tmp_path, scenes, SlideOptions(sensitivity=0.95))) == 2
    assert len(detect(tmp_path, scenes, SlideOptions(sensitivity=0.05))) == 1


def slide_with_camera(number: int) -> Callable[[float], Frame]:
    """A slide with a picture in its corner that moves all the time."""

    def draw(since: float) -> Frame:
        page = draw_slide(number, FULLY_SHOWN)
        noise = np.random.default_rng(round(since * 10)).integers(0, 255, (108, 154, 3), dtype=np.uint8)
        page[252:, 486:] = noise
        return page

    return draw


def test_a_masked_corner_may_move_all_the_time(tmp_path: Path) -> None:
    scenes = [(3, slide_with_camera(0)), (3, slide_with_camera(1)), (3, slide_with_camera(0))]
    slides = detect(tmp_path, scenes, SlideOptions(masks=[CORNER_MASK]))
    assert slide_times(slides) == [[(0, 3), (6, 9)], [(3, 6)]]


def test_a_constantly_moving_corner_is_detected_without_a_mask(tmp_path: Path) -> None:
    slides = detect(tmp_path, [(6, slide_with_camera(0)), (6, slide_with_camera(1)), (6, slide_with_camera(0))])
    assert [start for spans in slide_times(slides) for start, _ in spans][1:] == [12, 6]
    assert [len(each.spans) for each in slides] == [2, 1]


def test_an_embedded_video_is_no_slide_and_hides_none(tmp_path: Path) -> None:
    def film(since: float) -> Frame:
        return np.random.default_rng(round(since * 10)).integers(0, 255, (360, 640, 3), dtype=np.uint8)

    slides = detect(tmp_path, [(5, static_slide(0)), (8, film), (5, static_slide(1))])
    assert slide_times(slides) == [[(0, 5)], [(13, 18)]]


def test_a_small_thing_that_moves_without_a_mask_hides_no_slide(tmp_path: Path) -> None:
    def slide_with_pointer(number: int) -> Callable[[float], Frame]:
        def draw(since: float) -> Frame:
            page = draw_slide(number, FULLY_SHOWN)
            cv2.circle(page, (100 + round(90 * since) % 500, 240), 9, (220, 0, 0), -1)
            return page

        return draw

    assert slide_times(detect(tmp_path, [(5, slide_with_pointer(0)), (5, slide_with_pointer(1))])) == [
        [(0, 5)],
        [(5, 10)],
    ]


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (1024, 768), (360, 640)])
def test_the_size_of_the_picture_does_not_matter(tmp_path: Path, size: tuple[int, int]) -> None:
    slides = detect(tmp_path, [(2, static_slide(number, size)) for number in range(4)])
    assert slide_times(slides) == [[(0, 2)], [(2, 4)], [(4, 6)], [(6, 8)]]


def test_slides_that_differ_in_one_word_are_distinct(tmp_path: Path) -> None:
    def titled_slide(title: str) -> Callable[[float], Frame]:
        page = np.full((720, 1280, 3), 255, np.uint8)
        cv2.putText(page, title, (60, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3, cv2.LINE_AA)
        return lambda _since: page

    pages = [titled_slide(title) for title in ("Pump and valley", "Fields and streams", "Pump and ocean")]
    assert len(detect(tmp_path, [(2, page) for page in pages])) == 3


def test_the_size_may_change_on_the_way(tmp_path: Path) -> None:
    slides = detect(tmp_path, [(3, static_slide(0)), (3, static_slide(1, (360, 640))), (3, static_slide(0))])
    assert slide_times(slides) == [[(0, 3), (6, 9)], [(3, 6)]]


def test_a_very_large_picture_is_made_smaller(tmp_path: Path) -> None:
    [only] = detect(tmp_path, [(2, static_slide(0, (3840, 2160)))])
    assert slide_image(tmp_path, only).shape == (1080, IMAGE_LONG_SIDE, 3)


def test_many_slides_are_all_kept(tmp_path: Path) -> None:
    def numbered_slide(number: int) -> Callable[[float], Frame]:
        page = np.full((180, 320, 3), 255, np.uint8)
        cv2.putText(page, f"{number:03}", (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 4, (0, 0, 0), 8)
        return lambda _since: page

    assert len(detect(tmp_path, [(2, numbered_slide(number * 7)) for number in range(120)])) == 120


def frame_signature(picture: Frame) -> FrameSignature:
    return build_signature(make_sample(picture), ())


def test_the_lost_ratio_is_relative_to_the_previous_frame() -> None:
    full, part, other = (
        frame_signature(draw_slide(1, FULLY_SHOWN)),
        frame_signature(draw_slide(1, 1.1)),
        frame_signature(draw_slide(3, FULLY_SHOWN)),
    )
    assert part.lost_ratio(full) < 0.05
    assert full.lost_ratio(part) > 0.3
    assert full.lost_ratio(other) > 0.3
    assert full.lost_ratio(full) == 0


def test_fingerprints_of_the_same_slide_differ_little() -> None:
    noisy = np.clip(draw_slide(1, FULLY_SHOWN) + np.random.default_rng(3).normal(0, 4, (360, 640, 3)), 0, 255).astype(
        np.uint8
    )
    same = bit_difference_ratio(
        frame_signature(draw_slide(1, FULLY_SHOWN)).fingerprint, frame_signature(noisy).fingerprint
    )
    photo = np.random.default_rng(4).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    assert same < 0.1
    assert (
        bit_difference_ratio(
            frame_signature(draw_slide(1, FULLY_SHOWN)).fingerprint, frame_signature(photo).fingerprint
        )
        > 0.3
    )


def test_a_mask_reaches_to_the_picture_s_edge_and_no_further() -> None:
    seen = build_visible_mask((100, 200), (Mask(x=0.5, y=0.5, w=0.9, h=0.9),))
    assert seen[:49].all()
    assert seen[:, :99].all()
    assert not seen[50:, 100:].any()
