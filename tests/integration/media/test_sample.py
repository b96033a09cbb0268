"""The sample matches the owner's second acceptance test, and is the same in every run."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from deployments.local.quality import audio_correlation, psnr, read_frames
from deployments.local.sample import Caption, SampleFiles, write_clip, write_sample
from videojobs.media.probe import probe_audio, probe_video
from videojobs.requests.models import JobRequest


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("demo") / "sample")


def test_the_video_is_ten_seconds_of_360p_with_speech(sample: SampleFiles) -> None:
    facts = probe_video(sample.video)
    assert (facts.duration, facts.width, facts.height, facts.frame_rate) == (10.0, 640, 360, 25.0)
    assert facts.has_audio
    narration = Path(__file__).parents[3] / "deployments/local/sample/speech/narration.ogg"
    assert audio_correlation(sample.video, 0.0, 9.0, narration) > 0.95


def test_one_clip_is_longer_than_its_segment_and_one_is_shorter(sample: SampleFiles) -> None:
    lengths = {ref_id: probe_audio(path).duration for ref_id, path in sample.audio.items()}
    assert lengths == {"audio-1": pytest.approx(2.6), "audio-2": pytest.approx(1.1)}


def test_the_text_shows_only_in_its_area_and_time(sample: SampleFiles) -> None:
    shown = []
    for (time, picture), (_, clean) in zip(read_frames(sample.video), read_frames(sample.clean), strict=True):
        difference = cv2.absdiff(picture, clean)
        if difference.max() > 120:
            shown.append(time)
        difference[108:252, 192:448] = 0
        assert difference.max() < 60, f"outside the area at {time:.2f} s"
    assert len(shown) == 105
    assert [shown[0], shown[-1]] == pytest.approx([4.12, 8.28])


def test_the_sample_request_is_valid(sample: SampleFiles) -> None:
    fields = json.loads(sample.request.read_text())
    request = JobRequest.model_validate(fields)
    assert request.video == str(sample.video)
    assert {audio.refId: audio.source for audio in request.audio} == {
        ref_id: str(path) for ref_id, path in sample.audio.items()
    }
    assert [(segment.startTime, segment.endTime) for segment in request.segments] == [(0, 2), (2.1, 3.5)]
    assert fields["effects"] == [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}]


def test_a_clip_of_any_length_size_and_rate_can_be_made(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", seconds=1, size=(96, 128), fps=Fraction(30))
    facts = probe_video(tmp_path / "clip.mp4")
    assert (facts.duration, facts.width, facts.height, facts.frames) == (1.0, 96, 128, 30)
    assert not facts.has_audio


def test_a_clip_is_animated_and_reproducible(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        write_clip(tmp_path / name, seconds=1, size=(160, 90))
    one, two = (tmp_path / "one.mp4").read_bytes(), (tmp_path / "two.mp4").read_bytes()
    pictures = [picture for _, picture in read_frames(tmp_path / "one.mp4")]
    assert one == two
    assert psnr(pictures[0], pictures[-1]) < 40


@pytest.mark.parametrize("text", ["!", "Several words in a line", "Two\nlines", "Hg\nHg\nHg\nHg"])
def test_a_caption_stays_within_its_box(text: str) -> None:
    grey = np.full((360, 640, 3), 100, np.uint8)
    caption = Caption(0, 1, 0.5, 0.1, 0.3, 0.25, text)
    changed = (caption.burn_into(grey, 0.5) != 100).any(axis=2)
    assert changed.any()
    changed[36:126, 320:512] = False
    assert not changed.any()
    assert caption.burn_into(grey, 1.0) is grey
