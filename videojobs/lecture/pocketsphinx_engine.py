"""The built-in speech recognition: pocketsphinx with its package's English model."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, Final

from videojobs.errors import RetryableError, SpeechUnavailable
from videojobs.lecture.models import Transcript, Word
from videojobs.lecture.progress import ProgressCallback, raise_if_cancelled

MODEL_LANGUAGE: Final = "en"


@dataclass(frozen=True, slots=True)
class PocketsphinxEngine:
    """Runs in a separate process, which is killed on cancellation."""

    name: ClassVar[str] = "pocketsphinx"

    def check_available(self, language: str | None) -> None:
        if find_spec("pocketsphinx") is None:
            raise SpeechUnavailable("pocketsphinx is not installed; install the extra `lecture`")
        if language not in (None, MODEL_LANGUAGE):
            raise SpeechUnavailable(f"pocketsphinx recognises English only, not `{language}`; use faster-whisper")

    def transcribe(
        self, path: Path, language: str | None, duration: float, on_progress: ProgressCallback, stop: Event
    ) -> Transcript:
        self.check_available(language)
        words: list[Word] = []
        with _run_recogniser(path) as process:
            for line in _read_output(process):
                raise_if_cancelled(stop)
                words += [_to_word(*word) for word in line.get("words", ())]
                if "position" in line:
                    on_progress(min(1.0, line["position"] / duration))
        raise_if_cancelled(stop)
        return Transcript(
            outcome="heard" if words else "silent",
            engine=self.name,
            model="en-us",
            language=MODEL_LANGUAGE,
            words=words,
        )


def _to_word(text: str, start: float, end: float, probability: float) -> Word:
    return Word(text=f" {text}", start=start, end=end, probability=probability)


@contextmanager
def _run_recogniser(path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "videojobs.lecture.pocketsphinx_process", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
        try:
            yield process
        finally:
            process.kill()


def _read_output(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout is not None  # noqa: S101  # set by stdout=PIPE
    for line in process.stdout:
        yield json.loads(line)
    if code := process.wait():
        raise RetryableError(f"the speech recognition ended with exit code {code}; its output is in the worker's log")
