"""GhostCut emulator: what is erased, what is protected, what stays."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.emulators import clips
from tests.emulators.clips import HEIGHT, WIDTH, Pictures, Watched, likeness, noise_level
from tests.emulators.ghostcut_desk import GhostCutDesk, mask

BOX = (0.125, 0.625, 0.9375, 0.9375)  # around the caption: columns 20 to 150, rows 60 to 90
CAPTION = slice(60, 90), slice(20, 150)
ELSEWHERE = np.ones((HEIGHT, WIDTH), np.bool_)
ELSEWHERE[CAPTION] = False
CLEAN_ENOUGH = 26  # dB against the film without caption; with it the box has about 18


@pytest.fixture(scope="module")
def film(media: Path) -> Watched:
    return clips.watch(media / "film.mp4")


@pytest.fixture(scope="module")
def clean(media: Path) -> Watched:
    """The same film without its caption: the truth that a good eraser finds."""
    return clips.watch(media / "clean.mp4")


def caption(pictures: Pictures) -> Pictures:
    return pictures[:, CAPTION[0], CAPTION[1]]


@pytest.fixture(scope="module")
def erased(ghostcut: GhostCutDesk) -> Watched:
    """The caption's box wiped from second 1 up to, not including, second 2."""
    return ghostcut.made(ghostcut.film_body(mask("remove", BOX, start=1, end=2)))


def test_the_text_is_gone_in_its_box_and_time(erased: Watched, clean: Watched, film: Watched) -> None:
    assert noise_level(caption(film.pictures), caption(clean.pictures)) < 19
    assert noise_level(caption(erased.pictures[25:50]), caption(clean.pictures[25:50])) > CLEAN_ENOUGH


def test_the_first_picture_of_the_range_is_erased_and_the_one_at_its_end_is_not(erased: Watched, film: Watched) -> None:
    changed = [
        noise_level(caption(one[None]), caption(two[None])) < 30
        for one, two in zip(erased.pictures, film.pictures, strict=True)
    ]
    assert [number for number, is_changed in enumerate(changed) if is_changed] == list(range(25, 50))


def test_everything_else_stays(erased: Watched, film: Watched) -> None:
    assert noise_level(erased.pictures[:25], film.pictures[:25]) > 40
    assert noise_level(erased.pictures[50:], film.pictures[50:]) > 40
    assert noise_level(erased.pictures[:, ELSEWHERE], film.pictures[:, ELSEWHERE]) > 40
    assert erased.numbers == film.numbers
    assert erased.rate == film.rate


def test_the_sound_is_copied(erased: Watched, film: Watched) -> None:
    assert likeness(erased.sound, film.sound) > 0.999999


def test_only_the_text_goes_if_only_the_text_is_meant(ghostcut: GhostCutDesk, film: Watched, clean: Watched) -> None:
    made = ghostcut.made(ghostcut.film_body(mask("remove_only_ocr", BOX)))
    assert noise_level(caption(made.pictures), caption(clean.pictures)) > CLEAN_ENOUGH
    beside = made.pictures[:, 60:63, 20:150]  # within the box, above the letters
    assert noise_level(beside, film.pictures[:, 60:63, 20:150]) > 38


def test_protection_wins_over_erasure(ghostcut: GhostCutDesk, film: Watched, clean: Watched) -> None:
    left_half = (0.125, 0.625, 0.5, 0.9375)
    made = ghostcut.made(ghostcut.film_body(mask("remove", BOX), mask("keep", left_half, start=0, end=2)))
    kept, gone = np.s_[:, 60:90, 20:80], np.s_[:, 60:90, 82:150]
    assert noise_level(made.pictures[:50][kept], film.pictures[:50][kept]) > 38
    assert noise_level(made.pictures[:50][gone], clean.pictures[:50][gone]) > 24
    assert noise_level(made.pictures[50:][kept], clean.pictures[50:][kept]) > 24


def test_mode_1_finds_the_text_by_itself(ghostcut: GhostCutDesk, film: Watched, clean: Watched) -> None:
    made = ghostcut.made(ghostcut.film_body(needChineseOcclude=1, videoInpaintMasks=None))
    assert noise_level(caption(made.pictures), caption(clean.pictures)) > CLEAN_ENOUGH
    background = np.s_[:, 16:58, :]
    assert noise_level(made.pictures[background], film.pictures[background]) > 38


def test_mode_0_erases_nothing(ghostcut: GhostCutDesk, film: Watched) -> None:
    made = ghostcut.made(ghostcut.film_body(needChineseOcclude=0))
    assert noise_level(made.pictures, film.pictures) > 40


@pytest.mark.parametrize(
    ("times", "changed"),
    [
        ({}, (0, 75)),
        ({"start": 2.4}, (60, 75)),
        ({"start": 2, "end": 99999}, (50, 75)),
        ({"to_end": 1}, (0, 50)),
        ({"start": 0.41, "end": 0.44}, (0, 0)),
        ({"start": 0.4, "end": 0.44}, (10, 11)),
    ],
)
def test_times_are_half_open_seconds(
    ghostcut: GhostCutDesk, film: Watched, times: dict[str, float], changed: tuple[int, int]
) -> None:
    made = ghostcut.made(ghostcut.film_body(mask("remove", BOX, **times)))
    levels = [
        noise_level(caption(one[None]), caption(two[None]))
        for one, two in zip(made.pictures, film.pictures, strict=True)
    ]
    assert [number for number, level in enumerate(levels) if level < 30] == list(range(*changed))


def test_boxes_are_clamped_to_the_picture(ghostcut: GhostCutDesk, film: Watched) -> None:
    made = ghostcut.made(ghostcut.film_body(mask("remove", (-0.5, 0.625, 1.5, 1.5))))
    assert noise_level(made.pictures[:, :58], film.pictures[:, :58]) > 40
    assert noise_level(made.pictures[:, 60:], film.pictures[:, 60:]) < 20


def test_a_whole_picture_can_be_wiped(ghostcut: GhostCutDesk) -> None:
    made = ghostcut.made(ghostcut.film_body(mask("remove", (0, 0, 1, 1))))
    assert made.pictures.std(axis=(1, 2)).max() < 3


def test_a_range_cuts_the_result(ghostcut: GhostCutDesk, film: Watched) -> None:
    body = ghostcut.film_body(needChineseOcclude=0, extraOptions=json.dumps({"range": [1, 2]}))
    made = ghostcut.made(body)
    assert made.numbers == list(range(25, 50))
    assert likeness(made.heard(0, 1), film.heard(1, 2)) > 0.95
