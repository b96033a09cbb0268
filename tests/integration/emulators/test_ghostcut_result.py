"""GhostCut emulator: which areas are erased, protected, or unchanged."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support import emulator_clips
from tests.support.emulator_clips import HEIGHT, WIDTH, DecodedVideo, Frames, correlation, psnr
from tests.support.ghostcut_emulator import GhostCutEmulatorClient, make_mask

BOX = (0.125, 0.625, 0.9375, 0.9375)  # around the caption: columns 20 to 150, rows 60 to 90
CAPTION_SLICES = slice(60, 90), slice(20, 150)
OUTSIDE_CAPTION = np.ones((HEIGHT, WIDTH), np.bool_)
OUTSIDE_CAPTION[CAPTION_SLICES] = False
MIN_CLEAN_PSNR = 26  # dB against the film without caption; with the caption, the box has about 18


@pytest.fixture(scope="module")
def film(media: Path) -> DecodedVideo:
    return emulator_clips.decode_video(media / "film.mp4")


@pytest.fixture(scope="module")
def captionless_film(media: Path) -> DecodedVideo:
    """The same film without its caption: the ideal result of text removal."""
    return emulator_clips.decode_video(media / "clean.mp4")


def crop_caption(pictures: Frames) -> Frames:
    return pictures[:, CAPTION_SLICES[0], CAPTION_SLICES[1]]


@pytest.fixture(scope="module")
def erased_film(ghostcut: GhostCutEmulatorClient) -> DecodedVideo:
    """The caption's box erased from second 1 up to, not including, second 2."""
    return ghostcut.run_and_decode(ghostcut.make_film_body(make_mask("remove", BOX, start=1, end=2)))


def test_the_text_is_erased_within_its_box_and_time(
    erased_film: DecodedVideo, captionless_film: DecodedVideo, film: DecodedVideo
) -> None:
    assert psnr(crop_caption(film.frames), crop_caption(captionless_film.frames)) < 19
    assert psnr(crop_caption(erased_film.frames[25:50]), crop_caption(captionless_film.frames[25:50])) > MIN_CLEAN_PSNR


def test_erasure_includes_the_start_frame_and_excludes_the_end(erased_film: DecodedVideo, film: DecodedVideo) -> None:
    changed = [
        psnr(crop_caption(one[None]), crop_caption(two[None])) < 30
        for one, two in zip(erased_film.frames, film.frames, strict=True)
    ]
    assert [number for number, is_changed in enumerate(changed) if is_changed] == list(range(25, 50))


def test_pixels_outside_the_box_and_time_are_unchanged(erased_film: DecodedVideo, film: DecodedVideo) -> None:
    assert psnr(erased_film.frames[:25], film.frames[:25]) > 40
    assert psnr(erased_film.frames[50:], film.frames[50:]) > 40
    assert psnr(erased_film.frames[:, OUTSIDE_CAPTION], film.frames[:, OUTSIDE_CAPTION]) > 40
    assert erased_film.frame_numbers == film.frame_numbers
    assert erased_film.frame_rate == film.frame_rate


def test_the_sound_is_copied(erased_film: DecodedVideo, film: DecodedVideo) -> None:
    assert correlation(erased_film.samples, film.samples) > 0.999999


def test_remove_only_ocr_erases_the_letters_only(
    ghostcut: GhostCutEmulatorClient, film: DecodedVideo, captionless_film: DecodedVideo
) -> None:
    made = ghostcut.run_and_decode(ghostcut.make_film_body(make_mask("remove_only_ocr", BOX)))
    assert psnr(crop_caption(made.frames), crop_caption(captionless_film.frames)) > MIN_CLEAN_PSNR
    beside = made.frames[:, 60:63, 20:150]  # within the box, above the letters
    assert psnr(beside, film.frames[:, 60:63, 20:150]) > 38


def test_protection_wins_over_erasure(
    ghostcut: GhostCutEmulatorClient, film: DecodedVideo, captionless_film: DecodedVideo
) -> None:
    left_half = (0.125, 0.625, 0.5, 0.9375)
    made = ghostcut.run_and_decode(
        ghostcut.make_film_body(make_mask("remove", BOX), make_mask("keep", left_half, start=0, end=2))
    )
    kept, gone = np.s_[:, 60:90, 20:80], np.s_[:, 60:90, 82:150]
    assert psnr(made.frames[:50][kept], film.frames[:50][kept]) > 38
    assert psnr(made.frames[:50][gone], captionless_film.frames[:50][gone]) > 24
    assert psnr(made.frames[50:][kept], captionless_film.frames[50:][kept]) > 24


def test_mode_1_finds_the_text_by_itself(
    ghostcut: GhostCutEmulatorClient, film: DecodedVideo, captionless_film: DecodedVideo
) -> None:
    made = ghostcut.run_and_decode(ghostcut.make_film_body(needChineseOcclude=1, videoInpaintMasks=None))
    assert psnr(crop_caption(made.frames), crop_caption(captionless_film.frames)) > MIN_CLEAN_PSNR
    background = np.s_[:, 16:58, :]
    assert psnr(made.frames[background], film.frames[background]) > 38


def test_protected_text_stays_in_mode_1(
    ghostcut: GhostCutEmulatorClient, film: DecodedVideo, captionless_film: DecodedVideo
) -> None:
    left_half = (0.125, 0.625, 0.5, 0.9375)
    made = ghostcut.run_and_decode(ghostcut.make_film_body(make_mask("keep", left_half), needChineseOcclude=1))
    kept, gone = np.s_[:, 60:90, 20:80], np.s_[:, 60:90, 90:150]
    assert psnr(made.frames[kept], film.frames[kept]) > 38
    assert psnr(made.frames[gone], captionless_film.frames[gone]) > 24


def test_mode_0_erases_nothing(ghostcut: GhostCutEmulatorClient, film: DecodedVideo) -> None:
    made = ghostcut.run_and_decode(ghostcut.make_film_body(needChineseOcclude=0))
    assert psnr(made.frames, film.frames) > 40


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
    ghostcut: GhostCutEmulatorClient, film: DecodedVideo, times: dict[str, float], changed: tuple[int, int]
) -> None:
    made = ghostcut.run_and_decode(ghostcut.make_film_body(make_mask("remove", BOX, **times)))
    levels = [
        psnr(crop_caption(one[None]), crop_caption(two[None]))
        for one, two in zip(made.frames, film.frames, strict=True)
    ]
    assert [number for number, level in enumerate(levels) if level < 30] == list(range(*changed))


def test_boxes_are_clamped_to_the_picture(ghostcut: GhostCutEmulatorClient, film: DecodedVideo) -> None:
    made = ghostcut.run_and_decode(ghostcut.make_film_body(make_mask("remove", (-0.5, 0.625, 1.5, 1.5))))
    assert psnr(made.frames[:, :58], film.frames[:, :58]) > 40
    assert psnr(made.frames[:, 60:], film.frames[:, 60:]) < 20


def test_a_whole_frame_can_be_erased(ghostcut: GhostCutEmulatorClient) -> None:
    made = ghostcut.run_and_decode(ghostcut.make_film_body(make_mask("remove", (0, 0, 1, 1))))
    assert made.frames.std(axis=(1, 2)).max() < 3


def test_the_range_option_trims_the_result(ghostcut: GhostCutEmulatorClient, film: DecodedVideo) -> None:
    body = ghostcut.make_film_body(needChineseOcclude=0, extraOptions=json.dumps({"range": [1, 2]}))
    made = ghostcut.run_and_decode(body)
    assert made.frame_numbers == list(range(25, 50))
    assert correlation(made.samples_between(0, 1), film.samples_between(1, 2)) > 0.95
