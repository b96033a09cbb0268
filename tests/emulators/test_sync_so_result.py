"""Sync.so emulator: the results, watched and heard."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deployments.local.emulators.sync_so.prices import price
from tests.emulators import clips
from tests.emulators.clips import Watched, likeness, noise_level
from tests.emulators.sync_so_desk import SyncSoDesk

FILM = clips.voice(3.0, 1)
TWO_SECONDS = clips.voice(2.0, 2)
HALF_A_SECOND = clips.voice(0.5, 3)


def part(sound: clips.Sound, start: float, end: float) -> clips.Sound:
    return sound[round(start * clips.RATE) : round(end * clips.RATE)]


@pytest.fixture(scope="module")
def slowed(sync_so: SyncSoDesk) -> Watched:
    """Second 1 to 2 stretched to the two seconds of its sound."""
    return sync_so.made(sync_so.film_body())


def test_remap_stretches_the_segment_to_its_sound(slowed: Watched) -> None:
    before, after = list(range(25)), list(range(50, 75))
    stretched = [number for number in range(25, 50) for _ in range(2)]
    assert slowed.numbers == before + stretched + after
    assert slowed.rate == Fraction(25)


def test_the_segment_sounds_like_the_given_audio(slowed: Watched) -> None:
    assert likeness(slowed.heard(1, 3), TWO_SECONDS) > 0.98


def test_outside_of_the_segment_the_original_sound_stays(slowed: Watched) -> None:
    assert likeness(slowed.heard(0, 1), part(FILM, 0, 1)) > 0.95
    assert likeness(slowed.heard(3, 4), part(FILM, 2, 3)) > 0.95


def test_pictures_are_moved_but_not_changed(slowed: Watched, media: Path) -> None:
    source = clips.watch(media / "film.mp4").pictures
    assert noise_level(slowed.pictures, source[np.array(slowed.numbers)]) > 42


def test_remap_speeds_up_where_the_sound_is_shorter(sync_so: SyncSoDesk) -> None:
    short = sync_so.made(sync_so.film_body(input=[sync_so.video(), sync_so.audio("half-a-second.wav", "audio-1")]))
    assert len(short.numbers) in (62, 63)  # 2.5 s
    assert short.numbers[:26] == [*range(26)]
    assert short.numbers[25:37] == [*range(25, 49, 2)]
    assert likeness(short.heard(1, 1.5), HALF_A_SECOND) > 0.95
    assert likeness(short.heard(1.5, 2.5), part(FILM, 2, 3)) > 0.95


def test_a_segment_s_own_mode_overrides_the_request_s(sync_so: SyncSoDesk) -> None:
    segment = {"startTime": 1, "endTime": 2, "audioInput": {"refId": "audio-1"}}
    made = sync_so.made(sync_so.film_body(segments=[{**segment, "optionsOverride": {"sync_mode": "cut_off"}}]))
    assert made.numbers == list(range(75))
    assert likeness(made.heard(1, 2), part(TWO_SECONDS, 0, 1)) > 0.95


def test_the_default_mode_is_bounce(sync_so: SyncSoDesk) -> None:
    made = sync_so.made(sync_so.film_body(options=None))
    assert made.numbers[25:50] == list(range(25, 50))
    assert made.numbers[52:74] == list(range(48, 26, -1))
    assert len(made.numbers) == 100


def test_silence_pads_the_sound(sync_so: SyncSoDesk) -> None:
    sounds = [sync_so.video(), sync_so.audio("half-a-second.wav", "audio-1")]
    made = sync_so.made(sync_so.film_body(input=sounds, options={"sync_mode": "silence"}))
    assert made.numbers == list(range(75))
    assert likeness(made.heard(1, 1.5), HALF_A_SECOND) > 0.95
    assert np.abs(made.heard(1.55, 1.95)).max() < 0.01


def test_two_segments_use_their_own_crops_of_one_sound(sync_so: SyncSoDesk) -> None:
    segments = [
        {"startTime": 0.4, "endTime": 0.8, "audioInput": {"refId": "audio-1", "startTime": 1.2, "endTime": 2}},
        {"startTime": 2, "endTime": 2.4, "audioInput": {"refId": "audio-1", "startTime": 0, "endTime": 0.6}},
    ]
    made = sync_so.made(sync_so.film_body(segments=segments))
    assert len(made.numbers) == 90
    assert likeness(made.heard(0.4, 1.2), part(TWO_SECONDS, 1.2, 2)) > 0.95
    assert likeness(made.heard(2.4, 3.0), part(TWO_SECONDS, 0, 0.6)) > 0.95


def test_a_kept_segment_trims_its_sound(sync_so: SyncSoDesk) -> None:
    with sync_so.program.settings(segment_length="kept"):
        made = sync_so.made(sync_so.film_body())
    assert made.numbers == list(range(75))
    assert likeness(made.heard(1, 2), part(TWO_SECONDS, 0, 1)) > 0.95
    assert likeness(made.heard(2, 3), part(FILM, 2, 3)) > 0.95


def test_an_odd_result_has_a_frozen_second_at_the_end(sync_so: SyncSoDesk) -> None:
    with sync_so.program.settings(segment_length="odd"):
        made = sync_so.made(sync_so.film_body())
    assert made.numbers[-26:] == [74] * 26
    assert len(made.numbers) == 125


def test_without_segments_the_whole_film_gets_the_sound(sync_so: SyncSoDesk) -> None:
    made = sync_so.made(sync_so.film_body(input=[sync_so.video(), sync_so.audio("two-seconds.wav")], segments=None))
    assert len(made.numbers) == 50
    assert made.numbers == [number * 3 // 2 for number in range(50)]
    assert likeness(made.heard(0, 2), TWO_SECONDS) > 0.98


def test_a_silent_film_stays_silent_outside(sync_so: SyncSoDesk) -> None:
    visual = sync_so.video("silent.mp4")
    made = sync_so.made(sync_so.film_body(input=[visual, sync_so.audio("two-seconds.wav", "audio-1")]))
    assert np.abs(made.heard(0, 0.95)).max() < 0.01
    assert likeness(made.heard(1, 3), TWO_SECONDS) > 0.98


def test_sync_3_brings_a_picture_to_life(sync_so: SyncSoDesk, media: Path) -> None:
    cv2.imwrite(str(media / "face.png"), clips.picture(5, text=False))
    image = {"type": "image", "url": f"{sync_so.files}/face.png"}
    body = {"model": "sync-3", "input": [image, sync_so.audio("two-seconds.wav")]}
    assert sync_so.made(body).numbers == [5] * 50


def test_a_generation_costs_by_the_second(sync_so: SyncSoDesk) -> None:
    generation = sync_so.ended(sync_so.accepted(sync_so.film_body()))
    assert generation["outputDuration"] == 4.0
    assert sync_so.entry(generation["id"])["cost"] == price("lipsync-2", 4.0) == 0.2


@pytest.fixture
def result(sync_so: SyncSoDesk) -> dict[str, Any]:
    return sync_so.ended(sync_so.accepted(sync_so.film_body()))


def test_the_result_link_redirects_to_a_storage_that_wants_no_key(sync_so: SyncSoDesk, result: dict[str, Any]) -> None:
    redirect = sync_so.program.http.get(result["outputUrl"])
    assert redirect.status_code == 302
    assert sync_so.program.http.get(redirect.headers["location"]).headers["content-type"] == "video/mp4"
    leaked = sync_so.program.http.get(redirect.headers["location"], headers={"x-api-key": "anything"})
    assert leaked.status_code == 400
    assert "API key" in leaked.text


def test_an_expired_link_is_renewed_by_asking_again(sync_so: SyncSoDesk, result: dict[str, Any]) -> None:
    with sync_so.program.settings(token_ttl=0.000001):
        assert sync_so.program.http.get(result["outputUrl"]).status_code == 403
        again = sync_so.get(result["id"]).json()["outputUrl"]
    assert again != result["outputUrl"]
    assert sync_so.program.http.get(again, follow_redirects=True).status_code == 200


def test_download_hands_out_a_fresh_link_as_text(sync_so: SyncSoDesk, result: dict[str, Any]) -> None:
    answer = sync_so.http.get(f"/v2/generations/{result['id']}/download")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text != result["outputUrl"]
    assert sync_so.program.http.get(answer.text, follow_redirects=True).status_code == 200
