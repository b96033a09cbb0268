"""Sync.so emulator: segments that do not fit their media, or one another, are taken on and then fail without a code."""

from typing import Any

import pytest

from tests.emulators.sync_so_desk import SyncSoDesk

TEXT = "The segments configuration is invalid."
FILM, SOUND = 3.0, 2.0  # seconds of what the desk's film and its sound have


def segment(start: float, end: float, *crop: float) -> dict[str, Any]:
    times = {"startTime": crop[0], "endTime": crop[1]} if crop else {}
    return {"startTime": start, "endTime": end, "audioInput": {"refId": "audio-1", **times}}


MISFITS = {
    "a segment a few milliseconds past the film": [segment(1, FILM + 0.002)],
    "a segment far past the film": [segment(1, FILM + 0.5)],
    "a crop a few milliseconds past the sound": [segment(1, 2, 0, SOUND + 0.002)],
    "a crop far past the sound": [segment(1, 2, 0, SOUND + 0.5)],
    "a crop behind the sound": [segment(1, 2, SOUND + 1, SOUND + 2)],
    "two segments that touch": [segment(0, 1), segment(1, 2)],
    "two that touch, the later one first": [segment(1, 2), segment(0, 1)],
    "two of three that touch": [segment(0, 0.5), segment(1, 1.5), segment(1.5, 2)],
    "two that nearly touch": [segment(0, 1), segment(1.005, 2)],
}
FITTING = {
    "a segment to the end of the film": [segment(1, FILM)],
    "a crop to the end of the sound": [segment(1, 2, 0, SOUND)],
    "two segments with room between them": [segment(0, 1), segment(1.01, 2)],
}
misfits = pytest.mark.parametrize("segments", MISFITS.values(), ids=MISFITS)


@misfits
def test_misfits_are_taken_on_and_fail_without_a_code(sync_so: SyncSoDesk, segments: list[dict[str, Any]]) -> None:
    generation = sync_so.ended(sync_so.accepted(sync_so.film_body(segments=segments)))
    assert (generation["status"], generation["errorCode"], generation["error"]) == ("FAILED", None, TEXT)
    assert generation["outputUrl"] is None
    assert sync_so.entry(generation["id"])["cost"] == 0


@misfits
def test_misfits_can_be_refused_at_once(sync_so: SyncSoDesk, segments: list[dict[str, Any]]) -> None:
    with sync_so.program.settings(media_checks="at_submit"):
        answer = sync_so.submit(sync_so.film_body(segments=segments))
    assert (answer.status_code, answer.json()["message"]) == (422, TEXT)
    assert answer.json()["errorCode"] == "generation_input_segments_invalid"


def test_misfits_can_be_rejected_instead_of_failing(sync_so: SyncSoDesk) -> None:
    with sync_so.program.settings(misfit_status="REJECTED"):
        generation = sync_so.ended(sync_so.accepted(sync_so.film_body(segments=[segment(1, 3.1)])))
    assert (generation["status"], generation["errorCode"], generation["error"]) == ("REJECTED", None, TEXT)


@pytest.mark.parametrize("segments", FITTING.values(), ids=FITTING)
def test_what_fits_is_made(sync_so: SyncSoDesk, segments: list[dict[str, Any]]) -> None:
    generation = sync_so.ended(sync_so.accepted(sync_so.film_body(segments=segments)))
    assert generation["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("setting", "segments"),
    [
        ({"least_gap": 0}, [segment(0, 1), segment(1, 2)]),
        ({"overhang": 0.1}, [segment(1, FILM + 0.1)]),
        ({"overhang": 0.1}, [segment(1, 2, 0, SOUND + 0.1)]),
    ],
)
def test_each_rule_can_be_switched_off(
    sync_so: SyncSoDesk, setting: dict[str, float], segments: list[dict[str, Any]]
) -> None:
    with sync_so.program.settings(**setting):
        generation = sync_so.ended(sync_so.accepted(sync_so.film_body(segments=segments)))
    assert generation["status"] == "COMPLETED"


def test_a_name_that_no_sound_has_is_refused_at_once(sync_so: SyncSoDesk) -> None:
    unknown = {**segment(1, 2), "audioInput": {"refId": "audio-9"}}
    assert sync_so.submit(sync_so.film_body(segments=[unknown])).status_code == 422
