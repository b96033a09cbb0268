"""The metrics distinguish a good result from every kind of bad one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from deployments.local.quality import (
    Area,
    ExpectedAudio,
    TimeMapping,
    audio_correlation,
    measure_result,
    psnr,
    read_frames,
    video_duration,
)
from deployments.local.quality.audio import SAMPLE_RATE, Samples, read_audio
from deployments.local.quality.frames import RgbFrame
from deployments.local.sample import Caption, write_clip

SPEECH = Path(write_clip.__code__.co_filename).parent / "speech"
CAPTION = Caption(2.4, 3.4, 0.3, 0.3, 0.4, 0.4, "Text")
AREA = Area("erasure", 0.3, 0.3, 0.4, 0.4, 2.4, 3.4)
# A segment of 0.4 s gets the clip of 1.1 s, another of 1 s gets its first 0.6 s: everything after them is 0.3 s later.
TIMELINE_PIECES: list[TimeMapping] = [
    (0.0, 0.4, 0.0, 1.1),
    (0.4, 1.0, 1.1, 1.7),
    (1.0, 2.0, 1.7, 2.3),
    (2.0, 4.0, 2.3, 4.3),
]
ERASED_INTERVAL = (2.7, 3.7)
FPS = 10
ERASURE_TINT = 16  # of 255, by which a vendor's fill differs from the ideal one


@dataclass(frozen=True, slots=True)
class SampleInputs:
    source: Path
    clean: Path
    clip: Path

    @property
    def clips(self) -> list[ExpectedAudio]:
        return [ExpectedAudio(0.0, 1.1, self.clip), ExpectedAudio(1.7, 2.3, self.clip, 0.2)]


@pytest.fixture(scope="module")
def sample_inputs(tmp_path_factory: pytest.TempPathFactory) -> SampleInputs:
    folder = tmp_path_factory.mktemp("inputs")
    found = SampleInputs(folder / "source.mp4", folder / "clean.mp4", SPEECH / "audio-2.flac")
    write_clip(
        found.source,
        seconds=4,
        size=(256, 144),
        fps=Fraction(FPS),
        captions=[CAPTION],
        sound=SPEECH / "narration.ogg",
        clean=found.clean,
    )
    return found


@dataclass(frozen=True, slots=True)
class FakeResult:
    """A vendor's result for the source."""

    pieces: Sequence[TimeMapping] = tuple(TIMELINE_PIECES)
    erased: tuple[float, float] = ERASED_INTERVAL  # seconds of the result
    erasure_strength: float = 1.0  # of the erasure
    has_stain: bool = False  # a stain where nothing should change
    audio_delay: float = 0.0  # seconds by which the sound is late
    loudness: float = 0.3
    has_wrong_voice: bool = False
    size: tuple[int, int] = (256, 144)

    def write(self, path: Path, sample_inputs: SampleInputs) -> Path:
        with av.open(path, "w") as film:
            picture = film.add_stream("libx264", rate=FPS, options={"crf": "17", "preset": "veryfast"})
            picture.width, picture.height = self.size
            picture.pix_fmt = "yuv420p"
            sound = film.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            for number, pixels in enumerate(self._frames(sample_inputs)):
                frame = VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                film.mux(picture.encode(frame))
            film.mux(picture.encode(None))
            heard = AudioFrame.from_ndarray(self._audio(sample_inputs)[None], format="flt", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
            resampler = av.AudioResampler(sound.format, "mono", SAMPLE_RATE, sound.frame_size)
            for piece in [*resampler.resample(heard), *resampler.resample(None)]:
                film.mux(sound.encode(piece))
            film.mux(sound.encode(None))
        return path

    def _frames(self, sample_inputs: SampleInputs) -> list[RgbFrame]:
        pairs = list(zip(read_frames(sample_inputs.source), read_frames(sample_inputs.clean), strict=True))
        made: list[RgbFrame] = []
        for source_start, source_end, start, end in self.pieces:
            while len(made) / FPS < end - 1e-6:
                time = len(made) / FPS
                moment = source_start + (time - start) / (end - start) * (source_end - source_start)
                (_, source), (_, clean) = pairs[min(int((moment + 1e-6) * FPS), len(pairs) - 1)]
                made.append(self._erase(source, clean, time))
        return made

    def _erase(self, source: RgbFrame, clean: RgbFrame, time: float) -> RgbFrame:
        made = source.astype(np.float32)
        if self.erased[0] <= time < self.erased[1]:
            box = np.s_[44:100, 77:179]
            made[box] += (clean[box].astype(np.float32) + ERASURE_TINT - made[box]) * self.erasure_strength
        if self.has_stain:
            made[110:135, 10:60] = 255
        return np.clip(made.round(), 0, 255).astype(np.uint8)

    def _audio(self, sample_inputs: SampleInputs) -> Samples:
        clip = read_audio(SPEECH / "audio-1.ogg" if self.has_wrong_voice else sample_inputs.clip)
        heard = np.zeros(round(4.3 * SAMPLE_RATE), np.float32)
        for start, part in (
            (0.0, clip[: round(1.1 * SAMPLE_RATE)]),
            (1.7, clip[round(0.2 * SAMPLE_RATE) : round(0.8 * SAMPLE_RATE)]),
        ):
            place = round((start + self.audio_delay) * SAMPLE_RATE)
            heard[place : place + len(part)] = part * self.loudness
        return heard


def test_a_good_result_has_good_figures(sample_inputs: SampleInputs, tmp_path: Path) -> None:
    path = FakeResult().write(tmp_path / "result.mp4", sample_inputs)
    report = measure_result(
        sample_inputs.source, sample_inputs.clean, path, TIMELINE_PIECES, [AREA], sample_inputs.clips
    )
    assert report.failures() == []
    assert report.length == pytest.approx(4.3)
    assert report.expected_length == pytest.approx(4.3)
    assert [sound.correlation > 0.95 for sound in report.sounds] == [True, True]
    assert len(report.texts) >= 6
    assert report.text_residue is not None
    assert report.text_residue < 0.1
    assert report.inside_psnr == pytest.approx(24, abs=1)
    assert [row.name for row in report.metrics()] == [
        "length", "sound 0.00-1.10 s", "sound 1.70-2.30 s", "text in the areas", "areas without text", "all the rest",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("result", "failing"),
    [
        (FakeResult(erased=(2.4, 3.4)), ["text in the areas", "all the rest"]),
        (FakeResult(erased=(2.7, 3.3)), ["text in the areas"]),
        (FakeResult(erased=(9, 9)), ["text in the areas"]),
        (FakeResult(erasure_strength=0.7), ["text in the areas"]),
        (FakeResult(erased=(2.3, 4.3)), ["all the rest"]),
        (FakeResult(has_stain=True), ["all the rest"]),
        (FakeResult(has_wrong_voice=True), ["sound 0.00-1.10 s", "sound 1.70-2.30 s"]),
        (FakeResult(audio_delay=0.5), ["sound 0.00-1.10 s", "sound 1.70-2.30 s"]),
        (FakeResult(audio_delay=0.05), []),
        (FakeResult(loudness=0.05), []),
        (FakeResult(loudness=0.0), ["sound 0.00-1.10 s", "sound 1.70-2.30 s"]),
        (FakeResult(pieces=[(0.0, 4.0, 0.0, 4.0)], erased=(2.4, 3.4)), ["length", "all the rest"]),
        (FakeResult(size=(128, 72)), ["all the rest"]),
    ],
    ids=[
        "the wrong seconds wiped",
        "wiped too short",
        "not wiped",
        "wiped by half",
        "wiped where nothing was",
        "a stain elsewhere",
        "another voice",
        "sound much too late",
        "sound hardly too late",
        "sound fainter",
        "no sound",
        "not re-timed",
        "much smaller",
    ],
)
def test_each_defect_fails_its_own_measure(
    sample_inputs: SampleInputs, tmp_path: Path, result: FakeResult, failing: list[str]
) -> None:
    path = result.write(tmp_path / "result.mp4", sample_inputs)
    report = measure_result(
        sample_inputs.source, sample_inputs.clean, path, TIMELINE_PIECES, [AREA], sample_inputs.clips
    )
    assert [failure.partition(":")[0] for failure in report.failures()] == failing


def test_text_removal_is_not_measured_without_the_clean_video(sample_inputs: SampleInputs, tmp_path: Path) -> None:
    path = FakeResult().write(tmp_path / "result.mp4", sample_inputs)
    report = measure_result(sample_inputs.source, None, path, TIMELINE_PIECES, [AREA], [])
    assert (report.text_residue, report.inside_psnr, report.failures()) == (None, None, [])


def test_a_protected_area_must_stay_even_under_an_erased_area(sample_inputs: SampleInputs, tmp_path: Path) -> None:
    path = FakeResult().write(tmp_path / "result.mp4", sample_inputs)
    protection = replace(AREA, kind="protection")
    report = measure_result(sample_inputs.source, sample_inputs.clean, path, TIMELINE_PIECES, [AREA, protection], [])
    assert [failure.partition(":")[0] for failure in report.failures()] == ["all the rest"]
    assert report.texts == ()


def test_reversed_and_repeated_pieces_are_not_measured(sample_inputs: SampleInputs) -> None:
    pieces: list[TimeMapping] = [(0.0, 1.0, 0.0, 1.0), (0.0, 1.0, 2.0, 1.0), (0.0, 0.5, 2.0, 3.0)]
    report = measure_result(sample_inputs.source, None, sample_inputs.source, pieces, [], [])
    assert report.outside_psnr == 99.0


def test_a_result_without_references_is_not_measured(sample_inputs: SampleInputs) -> None:
    report = measure_result(sample_inputs.source, None, sample_inputs.source, [], [], [])
    assert (report.outside_psnr, report.worst_tile_psnr) == (None, None)


def test_equal_frames_have_the_highest_psnr(sample_inputs: SampleInputs) -> None:
    _, picture = next(read_frames(sample_inputs.source))
    assert psnr(picture, picture) == 99.0
    assert psnr(picture, np.clip(picture.astype(int) + 8, 0, 255).astype(np.uint8)) == pytest.approx(30.07, abs=0.1)


def test_the_length_includes_every_frame(sample_inputs: SampleInputs) -> None:
    assert video_duration(sample_inputs.source) == pytest.approx(4.0)


def test_a_silent_video_correlates_with_nothing(sample_inputs: SampleInputs, tmp_path: Path) -> None:
    write_clip(tmp_path / "silent.mp4", seconds=0.4, size=(64, 48))
    assert audio_correlation(tmp_path / "silent.mp4", 0.0, 0.4, sample_inputs.clip) == 0.0
