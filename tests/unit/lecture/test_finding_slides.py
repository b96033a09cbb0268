"""What makes a slide, on drawn pictures: no file is decoded."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tests.lecture.course import TEXTS, slide
from videojobs.lecture.look import Look, differing_bits, look_at, visible
from videojobs.lecture.models import Slide
from videojobs.lecture.options import Mask, SlideOptions
from videojobs.lecture.sampling import STEP, Sample
from videojobs.lecture.slides import LONG_SIDE, SlideFinder

Picture = NDArray[np.uint8]
Scene = tuple[float, Callable[[float], Picture]]
WHOLE = 99.0  # seconds after which a slide is complete
CORNER = Mask(x=0.76, y=0.7, w=0.24, h=0.3)


def still(number: int, size: tuple[int, int] = (640, 360)) -> Callable[[float], Picture]:
    picture = slide(number, WHOLE, size)
    return lambda _since: picture


def growing(number: int) -> Callable[[float], Picture]:
    return lambda since: slide(number, since)


def plain(shade: int) -> Callable[[float], Picture]:
    return lambda _since: np.full((360, 640, 3), shade, np.uint8)


def sample(picture: Picture, start: float = 0.0) -> Sample:
    return Sample(start, start + STEP, VideoFrame.from_ndarray(picture, format="rgb24"), 1.0)


def found(folder: Path, scenes: Iterable[Scene], options: SlideOptions | None = None) -> list[Slide]:
    """The slides of scenes that are shown one after the other."""
    finder, at = SlideFinder(options or SlideOptions(), folder), 0.0
    for seconds, draw in scenes:
        for step in range(round(seconds / STEP)):
            finder.add(sample(draw(step * STEP), at))
            at += STEP
    return finder.finish()


def times(slides: list[Slide]) -> list[list[tuple[float, float]]]:
    return [[(round(span.start, 1), round(span.end, 1)) for span in each.spans] for each in slides]


def picture_of(folder: Path, each: Slide) -> Picture:
    return np.asarray(cv2.imread(str(folder / each.picture)), np.uint8)[..., ::-1]


def is_like(one: Picture, other: Picture) -> bool:
    return bool((np.abs(one.astype(int) - other).max(axis=2) > 60).mean() < 0.002)


def test_slides_that_follow_each_other(tmp_path: Path) -> None:
    slides = found(tmp_path, [(4, still(0)), (3, still(1)), (5, still(2))])
    assert times(slides) == [[(0, 4)], [(4, 7)], [(7, 12)]]
    assert [each.number for each in slides] == [1, 2, 3]


def test_every_slide_of_one_design_is_told_from_every_other(tmp_path: Path) -> None:
    assert len(found(tmp_path, [(3, still(number)) for number in range(len(TEXTS))])) == len(TEXTS)


def test_lines_that_fly_in_belong_to_the_slide_and_are_all_on_its_picture(tmp_path: Path) -> None:
    [only] = found(tmp_path, [(6, growing(1))])
    assert is_like(picture_of(tmp_path, only), slide(1, WHOLE))


def test_the_picture_is_taken_before_the_next_slide_flies_in(tmp_path: Path) -> None:
    slides = found(tmp_path, [(6, growing(1)), (6, growing(3))])
    assert is_like(picture_of(tmp_path, slides[0]), slide(1, WHOLE))
    assert is_like(picture_of(tmp_path, slides[1]), slide(3, WHOLE))
    assert times(slides) == [[(0, 6)], [(6, 12)]]


def test_a_jump_back_is_another_time_of_the_same_slide(tmp_path: Path) -> None:
    slides = found(tmp_path, [(3, still(0)), (3, still(1)), (3, still(0)), (3, still(2))])
    assert times(slides) == [[(0, 3), (6, 9)], [(3, 6)], [(9, 12)]]
    assert len(list(tmp_path.iterdir())) == 3


def test_blank_pictures_are_no_slides(tmp_path: Path) -> None:
    slides = found(tmp_path, [(3, plain(0)), (3, still(0)), (4, plain(255)), (3, still(1)), (3, plain(0))])
    assert times(slides) == [[(3, 6)], [(10, 13)]]


def test_a_slide_that_goes_blank_for_a_while_is_shown_twice(tmp_path: Path) -> None:
    assert times(found(tmp_path, [(3, still(0)), (4, plain(0)), (3, still(0))])) == [[(0, 3), (7, 10)]]


def test_leafing_through_slides_leaves_them_out(tmp_path: Path) -> None:
    slides = found(tmp_path, [(3, still(0)), (0.6, still(1)), (0.6, still(2)), (3, still(3))])
    assert times(slides)[1:] == [[(4.2, 7.2)]]


def test_the_shortest_slide_is_a_choice(tmp_path: Path) -> None:
    scenes = [(3.0, still(0)), (1.0, still(1)), (3.0, still(2))]
    assert len(found(tmp_path, scenes)) == 2
    assert len(found(tmp_path, scenes, SlideOptions(min_seconds=0.8))) == 3


def test_a_slide_that_fades_in_begins_where_the_other_begins_to_go(tmp_path: Path) -> None:
    def fading(since: float) -> Picture:
        return np.asarray(cv2.addWeighted(slide(0, WHOLE), 1 - since, slide(1, WHOLE), since, 0), np.uint8)

    slides = found(tmp_path, [(3, still(0)), (1, fading), (3, still(1))])
    assert slides[1].start == pytest.approx(3.5, abs=0.5)
    assert len(slides) == 2


def test_a_line_that_is_replaced_makes_a_new_slide_if_that_is_asked_for(tmp_path: Path) -> None:
    def replaced(_since: float) -> Picture:
        page = slide(3, WHOLE)
        page[95:125, :440] = 250
        cv2.putText(page, "- Something else", (50, 115), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2)
        return page

    scenes = [(3.0, still(3)), (3.0, replaced)]
    assert len(found(tmp_path, scenes, SlideOptions(sensitivity=0.95))) == 2
    assert len(found(tmp_path, scenes, SlideOptions(sensitivity=0.05))) == 1


def camera(number: int) -> Callable[[float], Picture]:
    """A slide with a picture that never rests in its corner."""

    def draw(since: float) -> Picture:
        page = slide(number, WHOLE)
        noise = np.random.default_rng(round(since * 10)).integers(0, 255, (108, 154, 3), dtype=np.uint8)
        page[252:, 486:] = noise
        return page

    return draw


def test_a_masked_corner_may_move_all_the_time(tmp_path: Path) -> None:
    scenes = [(3, camera(0)), (3, camera(1)), (3, camera(0))]
    slides = found(tmp_path, scenes, SlideOptions(masks=[CORNER]))
    assert times(slides) == [[(0, 3), (6, 9)], [(3, 6)]]


def test_a_corner_that_moves_all_the_time_is_found_out_without_a_mask(tmp_path: Path) -> None:
    slides = found(tmp_path, [(6, camera(0)), (6, camera(1)), (6, camera(0))])
    assert [start for spans in times(slides) for start, _ in spans][1:] == [12, 6]
    assert [len(each.spans) for each in slides] == [2, 1]


def test_a_film_that_is_shown_in_between_is_no_slide_and_hides_none(tmp_path: Path) -> None:
    def film(since: float) -> Picture:
        return np.random.default_rng(round(since * 10)).integers(0, 255, (360, 640, 3), dtype=np.uint8)

    slides = found(tmp_path, [(5, still(0)), (8, film), (5, still(1))])
    assert times(slides) == [[(0, 5)], [(13, 18)]]


def test_a_small_thing_that_moves_without_a_mask_hides_no_slide(tmp_path: Path) -> None:
    def pointed(number: int) -> Callable[[float], Picture]:
        def draw(since: float) -> Picture:
            page = slide(number, WHOLE)
            cv2.circle(page, (100 + round(90 * since) % 500, 240), 9, (220, 0, 0), -1)
            return page

        return draw

    assert times(found(tmp_path, [(5, pointed(0)), (5, pointed(1))])) == [[(0, 5)], [(5, 10)]]


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (1024, 768), (360, 640)])
def test_the_size_of_the_picture_does_not_matter(tmp_path: Path, size: tuple[int, int]) -> None:
    slides = found(tmp_path, [(2, still(number, size)) for number in range(4)])
    assert times(slides) == [[(0, 2)], [(2, 4)], [(4, 6)], [(6, 8)]]


def test_slides_that_differ_in_one_word_are_not_taken_for_the_same(tmp_path: Path) -> None:
    def titled(title: str) -> Callable[[float], Picture]:
        page = np.full((720, 1280, 3), 255, np.uint8)
        cv2.putText(page, title, (60, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3, cv2.LINE_AA)
        return lambda _since: page

    pages = [titled(title) for title in ("Pump and valley", "Fields and streams", "Pump and ocean")]
    assert len(found(tmp_path, [(2, page) for page in pages])) == 3


def test_the_size_may_change_on_the_way(tmp_path: Path) -> None:
    slides = found(tmp_path, [(3, still(0)), (3, still(1, (360, 640))), (3, still(0))])
    assert times(slides) == [[(0, 3), (6, 9)], [(3, 6)]]


def test_a_very_large_picture_is_made_smaller(tmp_path: Path) -> None:
    [only] = found(tmp_path, [(2, still(0, (3840, 2160)))])
    assert picture_of(tmp_path, only).shape == (1080, LONG_SIDE, 3)


def test_many_slides_are_all_kept(tmp_path: Path) -> None:
    def numbered(number: int) -> Callable[[float], Picture]:
        page = np.full((180, 320, 3), 255, np.uint8)
        cv2.putText(page, f"{number:03}", (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 4, (0, 0, 0), 8)
        return lambda _since: page

    assert len(found(tmp_path, [(2, numbered(number * 7)) for number in range(120)])) == 120


def looked(picture: Picture) -> Look:
    return look_at(sample(picture), ())


def test_ink_that_is_gone_is_a_share_of_what_was_there() -> None:
    full, part, other = looked(slide(1, WHOLE)), looked(slide(1, 1.1)), looked(slide(3, WHOLE))
    assert part.gone(full) < 0.05
    assert full.gone(part) > 0.3
    assert full.gone(other) > 0.3
    assert full.gone(full) == 0


def test_fingerprints_of_the_same_slide_differ_little() -> None:
    noisy = np.clip(slide(1, WHOLE) + np.random.default_rng(3).normal(0, 4, (360, 640, 3)), 0, 255).astype(np.uint8)
    same = differing_bits(looked(slide(1, WHOLE)).fingerprint, looked(noisy).fingerprint)
    photo = np.random.default_rng(4).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    assert same < 0.1
    assert differing_bits(looked(slide(1, WHOLE)).fingerprint, looked(photo).fingerprint) > 0.3


def test_a_mask_reaches_to_the_picture_s_edge_and_no_further() -> None:
    seen = visible((100, 200), (Mask(x=0.5, y=0.5, w=0.9, h=0.9),))
    assert seen[:49].all()
    assert seen[:, :99].all()
    assert not seen[50:, 100:].any()
