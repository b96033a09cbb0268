"""Recorded facts of a job: JSON that older and newer versions have written."""

import json

import pytest

from tests.support.measured_facts import audio_facts, video_facts
from videojobs.pipeline.facts import JobFacts, MissingFact, StoredInputs

STORED_BY_0005 = """{
  "inputs": {"video": "s3://b/v.mp4", "audio": {"a": "s3://b/a.wav"}},
  "video": {"duration": 10.0, "width": 640, "height": 360, "frame_rate": 25.0, "frames": 250, "has_audio": true,
            "container": "mp4", "size": 1},
  "audio": {"a": {"duration": 2.0, "sample_rate": 48000, "channels": 1, "codec": "pcm_s16le", "container": "wav",
                  "size": 1}},
  "sent_segments": [{"startTime": 0.5, "endTime": 3.5, "audioInput": {"refId": "a"}}],
  "lecture": {"duration": 9.0, "width": 640, "height": 360, "frame_rate": 25.0, "has_sound": true,
              "container": "mp4", "size": 1},
  "speech": {"outcome": "heard", "reason": null, "engine": "whisper", "model": "tiny", "language": "en",
             "language_probability": 0.9, "words": 17},
  "slides": 2,
  "documents": {"subtitles": {"files": ["subtitles.srt"], "cues": 3},
                "pdf": {"file": "lecture.pdf", "pages": 2, "size": 5, "missing": []}}
}"""


def test_facts_stored_by_older_versions_still_load() -> None:
    facts = JobFacts.model_validate_json(STORED_BY_0005)
    assert (facts.source_video, facts.audio) == (video_facts(), {"a": audio_facts()})
    assert facts.stored_inputs.audio == {"a": "s3://b/a.wav"}
    assert facts.sent_segments
    assert facts.sent_segments[0].endTime == 3.5
    assert facts.lecture_info.duration == 9.0
    assert facts.speech
    assert facts.speech.words == 17
    assert (facts.slides, facts.lecture_documents.pdf.pages) == (2, 2)


def test_facts_keep_the_keys_of_the_stored_json() -> None:
    stored = json.loads(STORED_BY_0005)
    del stored["sent_segments"]  # the JSON contains defaults
    assert JobFacts.model_validate(stored).to_json() == stored


def test_unknown_keys_of_a_newer_version_are_ignored() -> None:
    assert JobFacts.model_validate({"waveform": [1], "slides": 2}) == JobFacts(slides=2)


def test_only_what_was_set_is_merged_into_the_column() -> None:
    assert JobFacts(inputs=StoredInputs(video="s3://b/v.mp4")).to_json() == {
        "inputs": {"video": "s3://b/v.mp4", "audio": {}}
    }


def test_a_fact_that_was_never_recorded_is_named() -> None:
    with pytest.raises(MissingFact, match="lip_sync"):
        _ = JobFacts().lip_sync_video
