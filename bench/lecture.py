"""Part g: how long a lecture takes for each of its minutes, and in how much memory."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.stream import Stream

from bench.figures import Section, Series, Table, Target, shown
from bench.forms import Form
from bench.stand import REPOSITORY
from bench.usage import MIB
from tests.lecture.course import LENGTH, TEXTS, Course

COURSE: Final = Course(size=(1280, 720), rate=Fraction(25))
MINUTE: Final = 60.0
WHAT: Final = {
    "slides": "slides",
    "speech": "speech (pocketsphinx)",
    "all": "the whole lecture",
    "many": "lectures at once",
}
STEPS: Final = (("slides", "ours"), ("slides", "plain"), ("speech", "ours"), ("speech", "plain"), ("all", "ours"))


@dataclass(frozen=True, slots=True)
class Measured:
    """One step of a lecture of so many minutes."""

    step: str
    way: str
    minutes: float
    count: int
    figures: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.count} {WHAT[self.step]}" if self.count > 1 else WHAT[self.step]

    @property
    def seconds(self) -> float:
        """Of work for a minute of one video."""
        return self.figures["seconds"] / self.minutes / self.count

    @property
    def cpu(self) -> float:
        return self.figures["cpu"] / self.minutes / self.count

    @property
    def peak(self) -> float:
        """MiB."""
        return self.figures["peak"] / MIB


async def measure(form: Form) -> Section:
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        once = await asyncio.to_thread(COURSE.write, Path(folder) / "once.mp4")
        for minutes in form.lecture_minutes:
            times = max(1, round(minutes * MINUTE / LENGTH))
            video = await asyncio.to_thread(_repeated, once, Path(folder) / f"{minutes}.mp4", times)
            for step, way in STEPS:
                found.append(await _measured(step, way, video, times * LENGTH / MINUTE, 1))
        short = Path(folder) / f"{form.lecture_minutes[0]}.mp4"
        minutes_of_one = found[0].minutes
        found.append(await _measured("many", "ours", short, minutes_of_one, form.lectures_at_once))
    return _section(found)


async def _measured(step: str, way: str, video: Path, minutes: float, count: int) -> Measured:
    command = [sys.executable, "-m", "bench.rivals.lecture_once", step, way, str(video), str(count)]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the step {step} ({way}) failed with exit code {process.returncode}")
    return Measured(step, way, minutes, count, json.loads(out))


def _repeated(source: Path, path: Path, times: int) -> Path:
    """The same lecture several times in a row: its packets are copied, so an hour is there in seconds."""
    with av.open(path, "w") as film:
        tracks = {}
        with av.open(source) as media:
            for track in media.streams:
                tracks[track.index] = film.add_stream_from_template(track)
        for number in range(times):
            for index, packet in _packets(source, number):
                packet.stream = tracks[index]
                film.mux(packet)
    return path


def _packets(source: Path, number: int) -> Iterator[tuple[int, "av.Packet[Stream]"]]:
    with av.open(source) as media:
        seconds = (media.duration or 0) / av.time_base + 0.1
        for packet in media.demux():
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(number * seconds / packet.time_base)
            packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
            yield packet.stream.index, packet


def _section(found: Sequence[Measured]) -> Section:
    ours = [each for each in found if each.way == "ours"]
    slides = [each for each in ours if each.step == "slides"]
    whole = [each for each in ours if each.step == "all"]
    rows = [
        (
            each.name,
            "ours" if each.way == "ours" else "plain script",
            shown(each.minutes, 0),
            shown(each.seconds),
            shown(each.cpu),
            shown(each.peak, 0),
            shown(each.figures["found"], 0),
        )
        for each in found
    ]
    return Section(
        letter="g",
        title="Lectures: what each minute of video takes",
        how=(
            f"A lecture of {COURSE.size[0]} x {COURSE.size[1]} at {COURSE.rate} pictures a second with {len(TEXTS)} "
            "slides, animations, a jump back, a lecturer in the corner and clear speech, repeated until it is as long "
            "as said. Each step in a process of its own; no stack is running. `plain script`: for slides a loop over "
            "OpenCV's `VideoCapture` that keeps a picture when it differs from the last kept one; for speech PyAV and "
            "pocketsphinx on the whole sound in memory. Seconds of work and of processor time for each minute of "
            "video; memory is the most that the process and its children have at the same time, in MiB. `found`: "
            f"slides (the truth is {len(TEXTS)}, however often they are shown again), words, or pages of all PDFs "
            "(what was said at a slide ten times takes a second page)."
        ),
        table=Table(("", "", "minutes", "s/min", "CPU s/min", "MiB", "found"), rows),
        unit="seconds for a minute of video",
        series=[
            Series(way, [(WHAT[each.step], each.seconds) for each in found if each.way == way and each.count == 1])
            for way in ("ours", "plain")
        ],
        targets=[
            Target(
                f"all {len(TEXTS)} slides, none twice",
                ", ".join(shown(each.figures["found"], 0) for each in slides),
                all(each.figures["found"] == len(TEXTS) for each in slides),
            ),
            Target(
                "memory does not grow with the length: at most a quarter more for the longest",
                f"{whole[-1].peak:.0f} MiB against {whole[0].peak:.0f} MiB",
                whole[-1].peak < 1.25 * whole[0].peak if len(whole) > 1 else None,
            ),
        ],
    )
