"""The embedded engine recognizes speech, and never invents any."""

import re
from pathlib import Path
from threading import Event

import numpy as np
import psutil
import pysubs2
import pytest

from tests.support.audio_factory import write_slide_with_audio
from tests.support.sample_lecture import SENTENCE_STARTS, SENTENCES, SampleLecture
from videojobs.errors import NoAudioTrack, SpeechUnavailable, WorkCancelled
from videojobs.lecture.audio_chunks import SAMPLE_RATE, audio_blocks
from videojobs.lecture.models import LectureInfo, Transcript
from videojobs.lecture.options import SpeechOptions, SubtitleOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.speech import transcribe, validate_speech
from videojobs.lecture.subtitles import write_subtitles
from videojobs.lecture.validation import validate_lecture

CONTINUE_WITHOUT_SPEECH = SpeechOptions(without_speech="continue")


def normalized_words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_error_rate(recognized: list[str], reference: list[str]) -> float:
    """Wrong, missing and extra words as a share of what was said: the edit distance between the two."""
    row = list(range(len(reference) + 1))
    for number, word in enumerate(recognized, 1):
        before, row[0] = row[0], number
        for place, truth in enumerate(reference, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != truth))
    return row[-1] / len(reference)


def test_most_words_are_right(transcript: Transcript) -> None:
    assert word_error_rate(normalized_words(transcript.text), normalized_words(" ".join(SENTENCES))) < 0.1
    assert (transcript.outcome, transcript.engine, transcript.language) == ("heard", "pocketsphinx", "en")


@pytest.mark.usefixtures("transcript")
def test_progress_only_rises_to_the_end(progress_reports: list[float]) -> None:
    assert progress_reports == sorted(progress_reports)
    assert progress_reports[-1] == 1
    assert len(progress_reports) > 20


def test_word_times_match_the_speech(transcript: Transcript) -> None:
    for sentence, start in zip(SENTENCES, SENTENCE_STARTS, strict=True):
        first = normalized_words(sentence)[0]
        near = [word for word in transcript.words if abs(word.start - start) < 0.5]
        assert any(word.text.strip() in (first, "hi") for word in near), sentence
    assert all(word.start < word.end for word in transcript.words)
    assert all(0 <= (word.probability or 0) <= 1 for word in transcript.words)


def test_the_transcript_goes_through_json(transcript: Transcript) -> None:
    assert Transcript.model_validate_json(transcript.model_dump_json()) == transcript


def test_subtitles_are_shown_while_their_words_are_spoken(transcript: Transcript, tmp_path: Path) -> None:
    written = write_subtitles(transcript, SubtitleOptions(), tmp_path)
    assert written.files == ["subtitles.srt", "subtitles.vtt"]
    for name in written.files:
        events = pysubs2.load(str(tmp_path / name), encoding="utf-8").events
        assert [round(event.start / 1000) for event in events] == pytest.approx([*SENTENCE_STARTS], abs=1)
        assert len(events) == written.cues
    assert "97" not in transcript.text  # on a slide, but never spoken


def test_silence_gives_an_empty_and_valid_result(tmp_path: Path) -> None:
    video = write_slide_with_audio(tmp_path / "silent.mp4", np.zeros(3 * 16_000, np.int16))
    lecture = validate_lecture(video, LectureSettings())
    transcript = transcribe(video, lecture, SpeechOptions(), LectureSettings())
    assert (transcript.outcome, transcript.words) == ("silent", [])
    assert write_subtitles(transcript, SubtitleOptions(), tmp_path).files == ["subtitles.srt", "subtitles.vtt"]
    assert (tmp_path / "subtitles.vtt").read_text().startswith("WEBVTT")


def test_music_and_noise_give_no_words(tmp_path: Path) -> None:
    seconds = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    notes = sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (262, 330, 392)) * np.abs(np.sin(4 * seconds))
    hiss = np.random.default_rng(2).normal(0, 800, len(seconds))
    video = write_slide_with_audio(tmp_path / "concert.mp4", (4000 * notes + hiss).astype(np.int16))
    lecture = validate_lecture(video, LectureSettings())
    assert transcribe(video, lecture, SpeechOptions(), LectureSettings()).words == []


def test_a_sound_track_that_begins_late_gives_late_words(tmp_path: Path) -> None:
    speech = SampleLecture(end_seconds=5).write(tmp_path / "early.mp4")
    late = write_slide_with_audio(tmp_path / "late.mp4", _audio_samples(speech), delay=4.0)
    lecture = validate_lecture(late, LectureSettings())
    words = transcribe(late, lecture, SpeechOptions(), LectureSettings()).words
    assert words[0].text == " good"
    assert words[0].start == pytest.approx(4.2, abs=0.2)


def _audio_samples(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return np.concatenate(list(audio_blocks(path, Event())))[: 5 * 16_000]


def test_an_option_decides_what_a_missing_audio_track_means(tmp_path: Path) -> None:
    video = SampleLecture(voice=None, end_seconds=3).write(tmp_path / "mute.mp4")
    lecture = validate_lecture(video, LectureSettings())
    with pytest.raises(NoAudioTrack, match="no audio track"):
        validate_speech(lecture, SpeechOptions(), LectureSettings())
    with pytest.raises(NoAudioTrack):
        transcribe(video, lecture, SpeechOptions(), LectureSettings())
    transcript = transcribe(video, lecture, CONTINUE_WITHOUT_SPEECH, LectureSettings())
    assert (transcript.outcome, transcript.words) == ("no_sound", [])
    assert write_subtitles(transcript, SubtitleOptions(), tmp_path).files == []


@pytest.mark.parametrize(
    ("options", "settings", "says"),
    [
        ({"language": "de"}, LectureSettings(), "English only"),
        ({"engine": "faster-whisper"}, LectureSettings(), "no Whisper model is set"),
        ({}, LectureSettings(whisper_model="/no/such/folder"), "has no model.bin"),
        ({}, LectureSettings(whisper_model="enormous"), "neither a folder nor the name"),
        ({}, LectureSettings(whisper_model="tiny"), "downloads are off"),
    ],
)
def test_a_missing_engine_fails_or_is_skipped_as_configured(
    video: Path, lecture: LectureInfo, options: dict[str, str], settings: LectureSettings, says: str
) -> None:
    with pytest.raises(SpeechUnavailable, match=says):
        transcribe(video, lecture, SpeechOptions.model_validate(options), settings)
    going_on = SpeechOptions.model_validate({**options, "without_speech": "continue"})
    transcript = transcribe(video, lecture, going_on, settings)
    assert (transcript.outcome, transcript.words) == ("unavailable", [])
    assert says in (transcript.reason or "")


def test_a_stopped_transcription_leaves_no_process_behind(video: Path, lecture: LectureInfo) -> None:
    stop = Event()
    with pytest.raises(WorkCancelled):
        transcribe(video, lecture, SpeechOptions(), LectureSettings(), on_progress=lambda _share: stop.set(), stop=stop)
    assert not [child for child in psutil.Process().children() if "sphinx_process" in " ".join(child.cmdline())]
