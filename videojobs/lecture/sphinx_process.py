"""Pocketsphinx in a process of its own: it does not let go of Python's lock for seconds at a time.

python -m videojobs.lecture.sphinx_process FILE

Prints one JSON object a line: `{"heard": seconds}` as it goes, and `{"words": [[text, start, end, probability]]}`.
It ends by itself once nobody reads any more.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, Final

from pocketsphinx import Decoder, Endpointer

from videojobs.lecture.sound import RATE, sound

LONGEST: Final = 30.0  # seconds without a pause; memory and time of the search grow with what is decoded at once
SURE: Final = 0.4  # mean probability: clear speech has 0.65 to 0.95, music and other languages 0.1 to 0.35 (measured)
_FRAMES: Final = 100  # a second, in the times of the decoder's words
_BYTES: Final = 2  # of a sample
_REPORT: Final = 1.0  # seconds of sound between two lines, so that whoever reads can stop soon

Line = dict[str, Any]
Heard = tuple[str, float, float, float]


def lines(path: Path) -> Iterator[Line]:
    """What is to be printed."""
    decoder = Decoder(loglevel="FATAL")
    for start, speech, at in utterances(path):
        if speech:
            yield {"words": words(decoder, start, speech)}
        yield {"heard": round(at, 2)}


def utterances(path: Path) -> Iterator[tuple[float, bytes, float]]:
    """Stretches of speech: where each starts, its sound, and how far the file is heard; empty ones in between."""
    ear, speech, start, reported, speaking = Endpointer(sample_rate=RATE), b"", 0.0, 0.0, False
    for number, (frame, is_last) in enumerate(_frames(path, ear.frame_bytes), 1):
        at = number * ear.frame_length
        spoken = ear.end_stream(frame) if is_last else ear.process(frame)
        if spoken:
            start = start if speaking else ear.speech_start
            speech += spoken
        speaking = ear.in_speech
        if speech and (not speaking or len(speech) > LONGEST * RATE * _BYTES):
            yield start, speech, at
            start, speech, reported = start + len(speech) / _BYTES / RATE, b"", at
        elif at - reported > _REPORT:
            yield start, b"", at
            reported = at


def _frames(path: Path, size: int) -> Iterator[tuple[bytes, bool]]:
    """The sound in parts of so many bytes, and whether it is the last one, which may be shorter."""
    waiting = b""
    for block in sound(path, Event()):
        waiting += block.tobytes()
        while len(waiting) > size:
            yield waiting[:size], False
            waiting = waiting[size:]
    yield waiting, True


def words(decoder: Decoder, start: float, speech: bytes) -> list[Heard]:
    """The words of one stretch of speech that starts at a second of the lecture; none where they would be guesses."""
    decoder.start_utt()
    decoder.process_raw(speech, no_search=False, full_utt=True)
    decoder.end_utt()
    heard = [
        (
            found.word.partition("(")[0],  # `the(2)` is the second way to pronounce it
            round(start + found.start_frame / _FRAMES, 2),
            round(start + (found.end_frame + 1) / _FRAMES, 2),
            round(min(1.0, found.prob), 3),
        )
        for found in decoder.seg() or ()
        if found.word[0] not in "<["  # silence and noises
    ]
    is_sure = sum(probability for *_, probability in heard) >= SURE * len(heard)
    return heard if is_sure else []


def main(path: Path) -> None:
    for line in lines(path):
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
