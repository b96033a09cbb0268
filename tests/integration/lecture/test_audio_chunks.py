"""Audio chunks end where the sound is quiet, so that no word is split."""

import numpy as np

from videojobs.lecture.audio_chunks import SAMPLE_RATE, find_quiet_cut


def noise(seconds: float, loudness: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    rng = np.random.default_rng(1)
    return (rng.normal(0, loudness, int(seconds * SAMPLE_RATE))).astype(np.int16)


def test_the_cut_is_in_the_pause() -> None:
    speech = np.concatenate([noise(5, 3000), noise(0.5, 20), noise(3, 3000)])
    assert 5.0 < find_quiet_cut(speech, tail=8) / SAMPLE_RATE < 5.5


def test_only_the_tail_is_searched_for_a_cut() -> None:
    speech = np.concatenate([noise(1, 3000), noise(1, 0), noise(6, 3000), noise(0.4, 100), noise(1, 3000)])
    assert 8.0 < find_quiet_cut(speech, tail=4) / SAMPLE_RATE < 8.4


def test_what_is_shorter_than_a_pause_stays_whole() -> None:
    assert find_quiet_cut(noise(0.1, 100), tail=4) == int(0.1 * SAMPLE_RATE)
