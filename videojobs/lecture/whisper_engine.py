"""The better speech recognition: faster-whisper, with a model that the operator provides.

Each process loads the model once and keeps it: it is large, and threads may share it. The C++ code runs without the
GIL, so a thread beside the event loop is enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from videojobs.errors import SpeechUnavailable
from videojobs.lecture.audio_chunks import AudioChunk, audio_chunks
from videojobs.lecture.models import Transcript, Word
from videojobs.lecture.progress import ProgressCallback, raise_if_cancelled
from videojobs.lecture.settings import LectureSettings

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

MODEL_FILES: Final = ("model.bin", "config.json", "tokenizer.json")
"""Without the model's tokenizer, faster-whisper downloads one from a hub."""
MIN_LANGUAGE_PROBABILITY: Final = 0.5  # of a detected language, to keep it for the rest of the lecture
_FULL_SCALE: Final = 32768.0  # Whisper's samples are between -1 and 1

_models: dict[tuple[object, ...], "WhisperModel"] = {}
_load_lock: Final = Lock()


@dataclass(frozen=True, slots=True)
class WhisperEngine:
    """Loads its model on first use."""

    settings: LectureSettings
    name: ClassVar[str] = "faster-whisper"

    def check_available(self, language: str | None) -> None:
        """Raises SpeechUnavailable with what is missing. Loads and downloads nothing."""
        if find_spec("faster_whisper") is None:
            raise SpeechUnavailable("faster-whisper is not installed; install the extra `whisper`")
        model = _require_model_name(self.settings)
        if not is_model_folder(model):
            from faster_whisper import available_models  # noqa: PLC0415  # an extra

            if model not in available_models() and model.count("/") != 1:
                raise SpeechUnavailable(f"`{model}` is neither a folder nor the name of a Whisper model")
        elif missing := [name for name in MODEL_FILES if not (Path(model).expanduser() / name).is_file()]:
            raise SpeechUnavailable(f"the folder of the Whisper model has no {', '.join(missing)}")

    def transcribe(
        self, path: Path, language: str | None, duration: float, on_progress: ProgressCallback, stop: Event
    ) -> Transcript:
        self.check_available(language)
        model = load_model(self.settings)
        if language is not None and language not in model.supported_languages:
            raise SpeechUnavailable(f"the Whisper model does not support the language `{language}`")
        words: list[Word] = []
        detected_language, probability = language, None
        for chunk in audio_chunks(path, stop):
            is_known = language is not None or (probability or 0.0) >= MIN_LANGUAGE_PROBABILITY
            segments, info = _start_transcription(model, chunk, detected_language if is_known else None)
            recognised = list(_read_words(segments, chunk, duration, on_progress, stop))
            if recognised and not is_known:
                detected_language, probability = info.language, round(info.language_probability, 3)
            words += recognised
            on_progress(min(1.0, chunk.end / duration))
        return Transcript(
            outcome="heard" if words else "silent",
            engine=self.name,
            model=Path(_require_model_name(self.settings)).name,
            language=detected_language,
            language_probability=probability,
            words=words,
        )


def is_model_folder(model: str) -> bool:
    """Whether it is a path. A wrong path must not count as a name: faster-whisper would search for it online."""
    return model.startswith(("/", ".", "~")) or Path(model).is_dir()


def load_model(settings: LectureSettings) -> "WhisperModel":
    """The model, loaded once per process. Raises SpeechUnavailable if it cannot be loaded or downloaded."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  # an extra, and its import takes a second

    model = _require_model_name(settings)
    key = (model, settings.whisper_device, settings.whisper_precision, settings.whisper_threads)
    with _load_lock:
        if key not in _models:
            try:
                _models[key] = WhisperModel(
                    str(Path(model).expanduser()) if is_model_folder(model) else model,
                    device=settings.whisper_device,
                    compute_type=settings.whisper_precision,
                    cpu_threads=settings.whisper_threads,
                    local_files_only=not settings.whisper_download,
                )
            except Exception as error:  # CTranslate2, the hub client and tokenizers have no common base
                raise SpeechUnavailable(
                    f"the Whisper model cannot be loaded: {_load_error_reason(error, settings)}"
                ) from error
        return _models[key]


def _require_model_name(settings: LectureSettings) -> str:
    if not settings.whisper_model:
        raise SpeechUnavailable("no Whisper model is set (VIDEOJOBS_LECTURE_WHISPER_MODEL)")
    return settings.whisper_model


def _load_error_reason(error: Exception, settings: LectureSettings) -> str:
    if not is_model_folder(_require_model_name(settings)) and not settings.whisper_download:
        return "it is not on this machine, and downloads are off (VIDEOJOBS_LECTURE_WHISPER_DOWNLOAD)"
    return type(error).__name__


def _start_transcription(model: "WhisperModel", chunk: AudioChunk, language: str | None) -> tuple[Iterator[Any], Any]:
    """faster-whisper's segments of a chunk, recognised as they are iterated, and its info."""
    sound = chunk.samples.astype(np.float32) / _FULL_SCALE
    segments, info = model.transcribe(
        sound,
        language=language,
        word_timestamps=True,
        vad_filter=True,  # Whisper invents sentences in silence
        condition_on_previous_text=False,  # else one invented sentence would repeat
    )
    return segments, info


def _read_words(
    segments: Iterator[Any], chunk: AudioChunk, duration: float, on_progress: ProgressCallback, stop: Event
) -> Iterator[Word]:
    for segment in segments:
        raise_if_cancelled(stop)
        on_progress(min(1.0, (chunk.start + segment.end) / duration))
        for word in segment.words or ():
            if word.word.strip():
                yield Word(
                    text=word.word,
                    start=round(chunk.start + word.start, 3),
                    end=round(chunk.start + word.end, 3),
                    probability=round(word.probability, 3),
                )
