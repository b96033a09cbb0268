"""One step of a lecture, in a separate process; prints its measurements as JSON.

python -m tests.benchmarks.baselines.lecture_once slides|speech|all|many ours|plain FILE [HOW_MANY]
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

import av
import cv2
import numpy as np
import psutil
from av.audio.frame import AudioFrame
from pocketsphinx import Decoder

from tests.support.sample_lecture import CAMERA_MASK
from videojobs.lecture.models import LectureInfo
from videojobs.lecture.options import PdfOptions, SlideOptions, SpeechOptions, SubtitleOptions
from videojobs.lecture.pdf import write_pdf
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import extract_slides
from videojobs.lecture.speech import transcribe
from videojobs.lecture.subtitles import write_subtitles
from videojobs.lecture.validation import validate_lecture
from videojobs.media.executors import run_long_cpu_bound

SETTINGS: Final = LectureSettings()
POLL_INTERVAL: Final = 0.1
MIN_CHANGE: Final = 4.0  # of 255 on average; a value from an answer on the web
CHUNK_BYTES: Final = 30 * 16_000 * 2  # bytes of audio per chunk in the plain script
Step = Callable[[Path, Path], int]


def product_slides(file: Path, folder: Path) -> int:
    return len(extract_slides(file, _probe(file), SlideOptions(masks=[CAMERA_MASK]), folder).slides)


def product_speech(file: Path, _folder: Path) -> int:
    return len(transcribe(file, _probe(file), SpeechOptions(), SETTINGS).words)


def product_lecture(file: Path, folder: Path) -> int:
    return asyncio.run(_run_lecture(file, folder))


async def _run_lecture(file: Path, folder: Path) -> int:
    """As the flow does it: slides and speech in parallel, then the files."""
    lecture = await run_long_cpu_bound(lambda stop: validate_lecture(file, SETTINGS, stop=stop))
    options = SlideOptions(masks=[CAMERA_MASK])
    deck, transcript = await asyncio.gather(
        run_long_cpu_bound(lambda stop: extract_slides(file, lecture, options, folder, stop=stop)),
        run_long_cpu_bound(lambda stop: transcribe(file, lecture, SpeechOptions(), SETTINGS, stop=stop)),
    )
    write_subtitles(transcript, SubtitleOptions(), folder)
    document = await run_long_cpu_bound(
        lambda stop: write_pdf(deck, transcript, PdfOptions(), SETTINGS, folder, stop=stop)
    )
    return document.pages


async def run_lectures(file: Path, folder: Path, count: int) -> int:
    """Several lectures at once in one process, as on one worker."""
    folders = [folder / str(number) for number in range(count)]
    for each in folders:
        each.mkdir()
    return sum(await asyncio.gather(*(_run_lecture(file, each) for each in folders)))


def baseline_slides(file: Path, folder: Path) -> int:
    """The straightforward implementation: compare every frame with the last slide."""
    video, last_slide, count = cv2.VideoCapture(str(file)), None, 0
    while True:
        found, picture = video.read()
        if not found:
            return count
        small = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (320, 180))
        if last_slide is None or cv2.absdiff(small, last_slide).mean() > MIN_CHANGE:
            cv2.imwrite(str(folder / f"{count}.png"), picture)
            last_slide, count = small, count + 1


def baseline_speech(file: Path, _folder: Path) -> int:
    """The straightforward implementation: decode the whole audio into memory, then run the recognizer."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(file) as media:
        frames = [piece for frame in media.decode(audio=0) for piece in _resample(resampler, frame)]
    sound = np.concatenate(frames).tobytes()
    decoder, words = Decoder(loglevel="FATAL"), 0
    for start in range(0, len(sound), CHUNK_BYTES):
        decoder.start_utt()
        decoder.process_raw(sound[start : start + CHUNK_BYTES], no_search=False, full_utt=True)
        decoder.end_utt()
        words += len(decoder.hyp().hypstr.split()) if decoder.hyp() else 0
    return words


def _resample(
    resampler: av.AudioResampler, frame: AudioFrame
) -> list["np.ndarray[tuple[int, ...], np.dtype[np.int16]]"]:
    return [np.asarray(piece.to_ndarray(), np.int16).reshape(-1) for piece in resampler.resample(frame)]


def _probe(file: Path) -> LectureInfo:
    """Probe the file without decoding it: decoding is a separate step."""
    with av.open(file) as media:
        return LectureInfo(
            duration=(media.duration or 0) / av.time_base,
            width=0,
            height=0,
            frame_rate=0,
            has_sound=True,
            container="mp4",
            size=0,
        )


STEPS: Final[dict[str, dict[str, Step]]] = {
    "slides": {"ours": product_slides, "plain": baseline_slides},
    "speech": {"ours": product_speech, "plain": baseline_speech},
    "all": {"ours": product_lecture},
}


def track_peak_memory(done: Event, peak: list[int]) -> None:
    """Record the peak memory of this process and its children together."""
    me = psutil.Process()
    while not done.wait(POLL_INTERVAL):
        with suppress(psutil.NoSuchProcess):  # a child has just ended
            peak[0] = max(peak[0], sum(each.memory_info().rss for each in (me, *me.children(recursive=True))))


def main(step: str, way: str, file: Path, count: int) -> None:
    work = STEPS[step][way] if step in STEPS else lambda video, place: asyncio.run(run_lectures(video, place, count))
    done, peak = Event(), [0]
    watch = Thread(target=track_peak_memory, args=(done, peak))
    watch.start()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        found = work(file, Path(folder))
        seconds = time.monotonic() - began
    done.set()
    watch.join()
    own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    figures = {
        "seconds": seconds,
        "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
        "peak": peak[0],
        "found": found,
    }
    print(json.dumps(figures))  # the result


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int((sys.argv[4:] or ["1"])[0]))
