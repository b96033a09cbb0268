"""Sync.so emulator: segments that do not fit their media or one another are accepted and then fail without a code."""

from typing import Any

import pytest

from tests.support.sync_so_emulator import SyncSoEmulatorClient

ERROR_MESSAGE = "The segments configuration is invalid."
FILM_SECONDS, AUDIO_SECONDS = 3.0, 2.0  # the durations of the client's film and sound, in seconds


def make_segment(start: float, end: float, *crop: float) -> dict[str, Any]:
    times = {"startTime": crop[0], "endTime": crop[1]} if crop else {}
    return {"startTime": start, "endTime": end, "audioInput": {"refId": "audio-1", **times}}


MISFIT_SEGMENTS = {
    "a segment a few milliseconds past the film": [make_segment(1, FILM_SECONDS + 0.002)],
    "a segment far past the film": [make_segment(1, FILM_SECONDS + 0.5)],
    "a crop a few milliseconds past the sound": [make_segment(1, 2, 0, AUDIO_SECONDS + 0.002)],
    "a crop far past the sound": [make_segment(1, 2, 0, AUDIO_SECONDS + 0.5)],
    "a crop behind the sound": [make_segment(1, 2, AUDIO_SECONDS + 1, AUDIO_SECONDS + 2)],
    "two segments that touch": [make_segment(0, 1), make_segment(1, 2)],
    "two that touch, the later one first": [make_segment(1, 2), make_segment(0, 1)],
    "two of three that touch": [make_segment(0, 0.5), make_segment(1, 1.5), make_segment(1.5, 2)],
    "two that nearly touch": [make_segment(0, 1), make_segment(1.005, 2)],
}
FITTING_SEGMENTS = {
    "a segment to the end of the film": [make_segment(1, FILM_SECONDS)],
    "a crop to the end of the sound": [make_segment(1, 2, 0, AUDIO_SECONDS)],
    "two segments with room between them": [make_segment(0, 1), make_segment(1.01, 2)],
}
parametrize_misfits = pytest.mark.parametrize("segments", MISFIT_SEGMENTS.values(), ids=MISFIT_SEGMENTS)


@parametrize_misfits
def test_misfit_segments_are_accepted_then_fail_without_a_code(
    sync_so: SyncSoEmulatorClient, segments: list[dict[str, Any]]
) -> None:
    generation = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_film_body(segments=segments)))
    assert (generation["status"], generation["errorCode"], generation["error"]) == ("FAILED", None, ERROR_MESSAGE)
    assert generation["outputUrl"] is None
    assert sync_so.submission_record(generation["id"])["cost"] == 0


@parametrize_misfits
def test_misfit_segments_can_be_rejected_at_submit(
    sync_so: SyncSoEmulatorClient, segments: list[dict[str, Any]]
) -> None:
    with sync_so.program.temporary_settings(media_checks="at_submit"):
        answer = sync_so.submit(sync_so.make_film_body(segments=segments))
    assert (answer.status_code, answer.json()["message"]) == (422, ERROR_MESSAGE)
    assert answer.json()["errorCode"] == "generation_input_segments_invalid"


def test_misfit_segments_can_end_as_rejected(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(misfit_status="REJECTED"):
        generation = sync_so.wait_until_done(
            sync_so.submit_and_get_id(sync_so.make_film_body(segments=[make_segment(1, 3.1)]))
        )
    assert (generation["status"], generation["errorCode"], generation["error"]) == ("REJECTED", None, ERROR_MESSAGE)


@pytest.mark.parametrize("segments", FITTING_SEGMENTS.values(), ids=FITTING_SEGMENTS)
def test_fitting_segments_complete(sync_so: SyncSoEmulatorClient, segments: list[dict[str, Any]]) -> None:
    generation = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_film_body(segments=segments)))
    assert generation["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("setting", "segments"),
    [
        ({"least_gap": 0}, [make_segment(0, 1), make_segment(1, 2)]),
        ({"overhang": 0.1}, [make_segment(1, FILM_SECONDS + 0.1)]),
        ({"overhang": 0.1}, [make_segment(1, 2, 0, AUDIO_SECONDS + 0.1)]),
    ],
)
def test_each_rule_can_be_switched_off(
    sync_so: SyncSoEmulatorClient, setting: dict[str, float], segments: list[dict[str, Any]]
) -> None:
    with sync_so.program.temporary_settings(**setting):
        generation = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_film_body(segments=segments)))
    assert generation["status"] == "COMPLETED"


def test_an_unknown_ref_id_is_rejected_at_submit(sync_so: SyncSoEmulatorClient) -> None:
    unknown = {**make_segment(1, 2), "audioInput": {"refId": "audio-9"}}
    assert sync_so.submit(sync_so.make_film_body(segments=[unknown])).status_code == 422
