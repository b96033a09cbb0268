"""Runs pocketsphinx in a separate process, because it holds the GIL for seconds at a time.

python -m videojobs.lecture.pocketsphinx_process FILE

Prints one JSON object per line: `{"position": seconds}` for progress, `{"words": [[text, start, end, probability]]}`.
Exits when its output is closed.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, Final

from pocketsphinx import Decoder, Endpointer

from videojobs.lecture.audio_chunks import SAMPLE_RATE, audio_blocks

MAX_UTTERANCE_SECONDS: Final = 30.0  # without a pause; the search's memory and time grow with the utterance
MIN_CONFIDENCE: Final = (
    0.4  # mean probability; measured: clear speech 0.65 to 0.95, music and other languages 0.1 to 0.35
)
_FRAMES_PER_SECOND: Final = 100  # the unit of the decoder's word times
_BYTES_PER_SAMPLE: Final = 2
_REPORT_INTERVAL_SECONDS: Final = 1.0  # seconds of audio between two lines, so that the reader can cancel soon

OutputLine = dict[str, Any]
RecognisedWord = tuple[str, float, float, float]


def recognise(path: Path) -> Iterator[OutputLine]:
    """The output lines."""
    decoder = Decoder(loglevel="FATAL")
    for start, speech, position in split_utterances(path):
        if speech:
            yield {"words": decode_words(decoder, start, speech)}
        yield {"position": round(position, 2)}


def split_utterances(path: Path) -> Iterator[tuple[float, bytes, float]]:
    """Utterances as (start, audio, position in the file), and for progress some with empty audio between them."""
    endpointer, speech, start, reported, speaking = Endpointer(sample_rate=SAMPLE_RATE), b"", 0.0, 0.0, False
    for number, (frame, is_last) in enumerate(_read_frames(path, endpointer.frame_bytes), 1):
        position = number * endpointer.frame_length
        spoken = endpointer.end_stream(frame) if is_last else endpointer.process(frame)
        if spoken:
            start = start if speaking else endpointer.speech_start
            speech += spoken
        speaking = endpointer.in_speech
        if speech and (not speaking or len(speech) > MAX_UTTERANCE_SECONDS * SAMPLE_RATE * _BYTES_PER_SAMPLE):
            yield start, speech, position
            start, speech, reported = start + len(speech) / _BYTES_PER_SAMPLE / SAMPLE_RATE, b"", position
        elif position - reported > _REPORT_INTERVAL_SECONDS:
            yield start, b"", position
            reported = position


def _read_frames(path: Path, size: int) -> Iterator[tuple[bytes, bool]]:
    """The audio in frames of `size` bytes, and whether it is the last one, which may be shorter."""
    pending = b""
    for block in audio_blocks(path, Event()):
        pending += block.tobytes()
        while len(pending) > size:
            yield pending[:size], False
            pending = pending[size:]
    yield pending, True


def decode_words(decoder: Decoder, start: float, speech: bytes) -> list[RecognisedWord]:
    """The words of an utterance that begins at `start` seconds; none if their confidence is too low."""
    decoder.start_utt()
    decoder.process_raw(speech, no_search=False, full_utt=True)
    decoder.end_utt()
    recognised = [
        (
            found.word.partition("(")[0],  # `the(2)` is the second pronunciation
            round(start + found.start_frame / _FRAMES_PER_SECOND, 2),
            round(start + (found.end_frame + 1) / _FRAMES_PER_SECOND, 2),
            round(min(1.0, found.prob), 3),
        )
        for found in decoder.seg() or ()
        if found.word[0] not in "<["  # silence and noises
    ]
    is_sure = sum(probability for *_, probability in recognised) >= MIN_CONFIDENCE * len(recognised)
    return recognised if is_sure else []


def main(path: Path) -> None:
    for line in recognise(path):
        sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
