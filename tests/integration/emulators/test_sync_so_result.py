"""Sync.so emulator: the results, decoded and checked."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deployments.local.emulators.sync_so.prices import price
from tests.support import emulator_clips
from tests.support.emulator_clips import DecodedVideo, correlation, psnr
from tests.support.sync_so_emulator import SyncSoEmulatorClient

FILM_AUDIO = emulator_clips.make_noise(3.0, 1)
TWO_SECOND_AUDIO = emulator_clips.make_noise(2.0, 2)
HALF_SECOND_AUDIO = emulator_clips.make_noise(0.5, 3)


def slice_audio(sound: emulator_clips.Samples, start: float, end: float) -> emulator_clips.Samples:
    return sound[round(start * emulator_clips.SAMPLE_RATE) : round(end * emulator_clips.SAMPLE_RATE)]


@pytest.fixture(scope="module")
def stretched_result(sync_so: SyncSoEmulatorClient) -> DecodedVideo:
    """Seconds 1 to 2, stretched to the two seconds of their sound."""
    return sync_so.run_and_decode(sync_so.make_film_body())


def test_remap_stretches_the_segment_to_its_audio(stretched_result: DecodedVideo) -> None:
    before, after = list(range(25)), list(range(50, 75))
    stretched = [number for number in range(25, 50) for _ in range(2)]
    assert stretched_result.frame_numbers == before + stretched + after
    assert stretched_result.frame_rate == Fraction(25)


def test_the_segment_sounds_like_the_given_audio(stretched_result: DecodedVideo) -> None:
    assert correlation(stretched_result.samples_between(1, 3), TWO_SECOND_AUDIO) > 0.98


def test_audio_outside_the_segment_is_unchanged(stretched_result: DecodedVideo) -> None:
    assert correlation(stretched_result.samples_between(0, 1), slice_audio(FILM_AUDIO, 0, 1)) > 0.95
    assert correlation(stretched_result.samples_between(3, 4), slice_audio(FILM_AUDIO, 2, 3)) > 0.95


def test_frames_are_retimed_but_not_altered(stretched_result: DecodedVideo, media: Path) -> None:
    source = emulator_clips.decode_video(media / "film.mp4").frames
    assert psnr(stretched_result.frames, source[np.array(stretched_result.frame_numbers)]) > 42


def test_remap_speeds_up_where_the_audio_is_shorter(sync_so: SyncSoEmulatorClient) -> None:
    short = sync_so.run_and_decode(
        sync_so.make_film_body(input=[sync_so.video_input(), sync_so.audio_input("half-a-second.wav", "audio-1")])
    )
    assert len(short.frame_numbers) in (62, 63)  # 2.5 s
    assert short.frame_numbers[:26] == [*range(26)]
    assert short.frame_numbers[25:37] == [*range(25, 49, 2)]
    assert correlation(short.samples_between(1, 1.5), HALF_SECOND_AUDIO) > 0.95
    assert correlation(short.samples_between(1.5, 2.5), slice_audio(FILM_AUDIO, 2, 3)) > 0.95


def test_a_segment_mode_overrides_the_request_mode(sync_so: SyncSoEmulatorClient) -> None:
    segment = {"startTime": 1, "endTime": 2, "audioInput": {"refId": "audio-1"}}
    made = sync_so.run_and_decode(
        sync_so.make_film_body(segments=[{**segment, "optionsOverride": {"sync_mode": "cut_off"}}])
    )
    assert made.frame_numbers == list(range(75))
    assert correlation(made.samples_between(1, 2), slice_audio(TWO_SECOND_AUDIO, 0, 1)) > 0.95


def test_the_default_mode_is_bounce(sync_so: SyncSoEmulatorClient) -> None:
    made = sync_so.run_and_decode(sync_so.make_film_body(options=None))
    assert made.frame_numbers[25:50] == list(range(25, 50))
    assert made.frame_numbers[52:74] == list(range(48, 26, -1))
    assert len(made.frame_numbers) == 100


def test_silence_mode_pads_the_audio(sync_so: SyncSoEmulatorClient) -> None:
    sounds = [sync_so.video_input(), sync_so.audio_input("half-a-second.wav", "audio-1")]
    made = sync_so.run_and_decode(sync_so.make_film_body(input=sounds, options={"sync_mode": "silence"}))
    assert made.frame_numbers == list(range(75))
    assert correlation(made.samples_between(1, 1.5), HALF_SECOND_AUDIO) > 0.95
    assert np.abs(made.samples_between(1.55, 1.95)).max() < 0.01


def test_two_segments_use_their_own_crops_of_one_audio(sync_so: SyncSoEmulatorClient) -> None:
    segments = [
        {"startTime": 0.4, "endTime": 0.8, "audioInput": {"refId": "audio-1", "startTime": 1.2, "endTime": 2}},
        {"startTime": 2, "endTime": 2.4, "audioInput": {"refId": "audio-1", "startTime": 0, "endTime": 0.6}},
    ]
    made = sync_so.run_and_decode(sync_so.make_film_body(segments=segments))
    assert len(made.frame_numbers) == 90
    assert correlation(made.samples_between(0.4, 1.2), slice_audio(TWO_SECOND_AUDIO, 1.2, 2)) > 0.95
    assert correlation(made.samples_between(2.4, 3.0), slice_audio(TWO_SECOND_AUDIO, 0, 0.6)) > 0.95


def test_a_kept_segment_length_trims_its_audio(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(segment_length="kept"):
        made = sync_so.run_and_decode(sync_so.make_film_body())
    assert made.frame_numbers == list(range(75))
    assert correlation(made.samples_between(1, 2), slice_audio(TWO_SECOND_AUDIO, 0, 1)) > 0.95
    assert correlation(made.samples_between(2, 3), slice_audio(FILM_AUDIO, 2, 3)) > 0.95


def test_an_odd_result_ends_with_a_frozen_second(sync_so: SyncSoEmulatorClient) -> None:
    with sync_so.program.temporary_settings(segment_length="odd"):
        made = sync_so.run_and_decode(sync_so.make_film_body())
    assert made.frame_numbers[-26:] == [74] * 26
    assert len(made.frame_numbers) == 125


def test_without_segments_the_audio_replaces_the_whole_track(sync_so: SyncSoEmulatorClient) -> None:
    made = sync_so.run_and_decode(
        sync_so.make_film_body(input=[sync_so.video_input(), sync_so.audio_input("two-seconds.wav")], segments=None)
    )
    assert len(made.frame_numbers) == 50
    assert made.frame_numbers == [number * 3 // 2 for number in range(50)]
    assert correlation(made.samples_between(0, 2), TWO_SECOND_AUDIO) > 0.98


def test_a_silent_video_stays_silent_outside_the_segment(sync_so: SyncSoEmulatorClient) -> None:
    visual = sync_so.video_input("silent.mp4")
    made = sync_so.run_and_decode(
        sync_so.make_film_body(input=[visual, sync_so.audio_input("two-seconds.wav", "audio-1")])
    )
    assert np.abs(made.samples_between(0, 0.95)).max() < 0.01
    assert correlation(made.samples_between(1, 3), TWO_SECOND_AUDIO) > 0.98


def test_sync_3_animates_a_still_image(sync_so: SyncSoEmulatorClient, media: Path) -> None:
    cv2.imwrite(str(media / "face.png"), emulator_clips.draw_frame(5, text=False))
    image = {"type": "image", "url": f"{sync_so.files}/face.png"}
    body = {"model": "sync-3", "input": [image, sync_so.audio_input("two-seconds.wav")]}
    assert sync_so.run_and_decode(body).frame_numbers == [5] * 50


def test_a_generation_is_priced_per_second(sync_so: SyncSoEmulatorClient) -> None:
    generation = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_film_body()))
    assert generation["outputDuration"] == 4.0
    assert sync_so.submission_record(generation["id"])["cost"] == price("lipsync-2", 4.0) == 0.2


@pytest.fixture
def result(sync_so: SyncSoEmulatorClient) -> dict[str, Any]:
    return sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_film_body()))


def test_the_result_link_redirects_to_keyless_storage(sync_so: SyncSoEmulatorClient, result: dict[str, Any]) -> None:
    redirect = sync_so.program.http.get(result["outputUrl"])
    assert redirect.status_code == 302
    assert sync_so.program.http.get(redirect.headers["location"]).headers["content-type"] == "video/mp4"
    leaked = sync_so.program.http.get(redirect.headers["location"], headers={"x-api-key": "anything"})
    assert leaked.status_code == 400
    assert "API key" in leaked.text


def test_an_expired_link_is_renewed_by_the_next_status(sync_so: SyncSoEmulatorClient, result: dict[str, Any]) -> None:
    with sync_so.program.temporary_settings(token_ttl=0.000001):
        assert sync_so.program.http.get(result["outputUrl"]).status_code == 403
        again = sync_so.get_generation(result["id"]).json()["outputUrl"]
    assert again != result["outputUrl"]
    assert sync_so.program.http.get(again, follow_redirects=True).status_code == 200


def test_download_returns_a_fresh_link_as_text(sync_so: SyncSoEmulatorClient, result: dict[str, Any]) -> None:
    answer = sync_so.http.get(f"/v2/generations/{result['id']}/download")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text != result["outputUrl"]
    assert sync_so.program.http.get(answer.text, follow_redirects=True).status_code == 200
