"""Part g: the time of a lecture per minute of video, and its memory."""

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

from tests.benchmarks.harness import REPOSITORY_ROOT
from tests.benchmarks.profiles import Profile
from tests.benchmarks.resource_usage import MIB
from tests.benchmarks.stats import Section, Series, Table, Target, format_number
from tests.support.sample_lecture import SLIDE_TEXTS, SPEECH_SECONDS, SampleLecture

SAMPLE_LECTURE: Final = SampleLecture(size=(1280, 720), frame_rate=Fraction(25))
MINUTE: Final = 60.0
STEP_LABELS: Final = {
    "slides": "slides",
    "speech": "speech (pocketsphinx)",
    "all": "the whole lecture",
    "many": "lectures at once",
}
STEPS: Final = (("slides", "ours"), ("slides", "plain"), ("speech", "ours"), ("speech", "plain"), ("all", "ours"))


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of a lecture with this number of minutes."""

    step: str
    way: str
    minutes: float
    count: int
    figures: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.count} {STEP_LABELS[self.step]}" if self.count > 1 else STEP_LABELS[self.step]

    @property
    def seconds(self) -> float:
        """Processing time per minute of video."""
        return self.figures["seconds"] / self.minutes / self.count

    @property
    def cpu(self) -> float:
        return self.figures["cpu"] / self.minutes / self.count

    @property
    def peak(self) -> float:
        """MiB."""
        return self.figures["peak"] / MIB


async def measure(profile: Profile) -> Section:
    found: list[StepResult] = []
    with tempfile.TemporaryDirectory() as folder:
        once = await asyncio.to_thread(SAMPLE_LECTURE.write, Path(folder) / "once.mp4")
        for minutes in profile.lecture_minutes:
            times = max(1, round(minutes * MINUTE / SPEECH_SECONDS))
            video = await asyncio.to_thread(_write_repeated, once, Path(folder) / f"{minutes}.mp4", times)
            for step, way in STEPS:
                found.append(await _run_step(step, way, video, times * SPEECH_SECONDS / MINUTE, 1))
        short = Path(folder) / f"{profile.lecture_minutes[0]}.mp4"
        minutes_of_one = found[0].minutes
        found.append(await _run_step("many", "ours", short, minutes_of_one, profile.lectures_at_once))
    return _section(found)


async def _run_step(step: str, way: str, video: Path, minutes: float, count: int) -> StepResult:
    command = [sys.executable, "-m", "tests.benchmarks.baselines.lecture_once", step, way, str(video), str(count)]
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY_ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the step {step} ({way}) failed with exit code {process.returncode}")
    return StepResult(step, way, minutes, count, json.loads(out))


def _write_repeated(source: Path, path: Path, times: int) -> Path:
    """Repeat the same lecture several times: packets are copied, so an hour is written in seconds."""
    with av.open(path, "w") as film:
        tracks = {}
        with av.open(source) as media:
            for track in media.streams:
                tracks[track.index] = film.add_stream_from_template(track)
        for number in range(times):
            for index, packet in _shifted_packets(source, number):
                packet.stream = tracks[index]
                film.mux(packet)
    return path


def _shifted_packets(source: Path, number: int) -> Iterator[tuple[int, "av.Packet[Stream]"]]:
    with av.open(source) as media:
        seconds = (media.duration or 0) / av.time_base + 0.1
        for packet in media.demux():
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(number * seconds / packet.time_base)
            packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
            yield packet.stream.index, packet


def _section(found: Sequence[StepResult]) -> Section:
    ours = [each for each in found if each.way == "ours"]
    slides = [each for each in ours if each.step == "slides"]
    whole = [each for each in ours if each.step == "all"]
    rows = [
        (
            each.name,
            "ours" if each.way == "ours" else "plain script",
            format_number(each.minutes, 0),
            format_number(each.seconds),
            format_number(each.cpu),
            format_number(each.peak, 0),
            format_number(each.figures["found"], 0),
        )
        for each in found
    ]
    return Section(
        letter="g",
        title="Lectures: what each minute of video takes",
        how=(
            f"A lecture of {SAMPLE_LECTURE.size[0]} x {SAMPLE_LECTURE.size[1]} at {SAMPLE_LECTURE.frame_rate} "
            f"pictures a second with {len(SLIDE_TEXTS)} "
            "slides, animations, a jump back, a lecturer in the corner and clear speech, repeated until it is as long "
            "as said. Each step in a process of its own; no stack is running. `plain script`: for slides a loop over "
            "OpenCV's `VideoCapture` that keeps a picture when it differs from the last kept one; for speech PyAV and "
            "pocketsphinx on the whole sound in memory. Seconds of work and of processor time for each minute of "
            "video; memory is the most that the process and its children have at the same time, in MiB. `found`: "
            f"slides (the truth is {len(SLIDE_TEXTS)}, however often they are shown again), words, or pages of all "
            "PDFs "
            "(what was said at a slide ten times takes a second page)."
        ),
        table=Table(("", "", "minutes", "s/min", "CPU s/min", "MiB", "found"), rows),
        unit="seconds for a minute of video",
        series=[
            Series(
                way, [(STEP_LABELS[each.step], each.seconds) for each in found if each.way == way and each.count == 1]
            )
            for way in ("ours", "plain")
        ],
        targets=[
            Target(
                f"all {len(SLIDE_TEXTS)} slides, none twice",
                ", ".join(format_number(each.figures["found"], 0) for each in slides),
                all(each.figures["found"] == len(SLIDE_TEXTS) for each in slides),
            ),
            Target(
                "memory does not grow with the length: at most a quarter more for the longest",
                f"{whole[-1].peak:.0f} MiB against {whole[0].peak:.0f} MiB",
                whole[-1].peak < 1.25 * whole[0].peak if len(whole) > 1 else None,
            ),
        ],
    )
