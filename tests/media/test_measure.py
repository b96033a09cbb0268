"""The figures tell a good result from every kind of bad one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from deployments.local.measure import Area, Clip, Piece, frames, length, measure_result, psnr, sound_correlation
from deployments.local.measure.pictures import Picture
from deployments.local.measure.sound import RATE, Samples, read_sound
from deployments.local.sample import Caption, write_clip

SPEECH = Path(write_clip.__code__.co_filename).parent / "speech"
CAPTION = Caption(2.4, 3.4, 0.3, 0.3, 0.4, 0.4, "Text")
AREA = Area("erasure", 0.3, 0.3, 0.4, 0.4, 2.4, 3.4)
# A segment of 0.4 s gets the clip of 1.1 s, another of 1 s gets its first 0.6 s: all that follows is 0.3 s later.
PIECES: list[Piece] = [(0.0, 0.4, 0.0, 1.1), (0.4, 1.0, 1.1, 1.7), (1.0, 2.0, 1.7, 2.3), (2.0, 4.0, 2.3, 4.3)]
WIPED = (2.7, 3.7)
FPS = 10
TINGE = 16  # of 255, by which a vendor's filling differs from the truth


@dataclass(frozen=True, slots=True)
class Inputs:
    source: Path
    clean: Path
    clip: Path

    @property
    def clips(self) -> list[Clip]:
        return [Clip(0.0, 1.1, self.clip), Clip(1.7, 2.3, self.clip, 0.2)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    found = Inputs(folder / "source.mp4", folder / "clean.mp4", SPEECH / "audio-2.flac")
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
class Result:
    """What a vendor made of the source."""

    pieces: Sequence[Piece] = tuple(PIECES)
    wiped: tuple[float, float] = WIPED  # seconds of the result
    strength: float = 1.0  # of the wiping
    spot: bool = False  # a stain where nothing had to change
    late: float = 0.0  # seconds by which the sound is late
    loudness: float = 0.3
    other_voice: bool = False
    size: tuple[int, int] = (256, 144)

    def write(self, path: Path, inputs: Inputs) -> Path:
        with av.open(path, "w") as film:
            picture = film.add_stream("libx264", rate=FPS, options={"crf": "17", "preset": "veryfast"})
            picture.width, picture.height = self.size
            picture.pix_fmt = "yuv420p"
            sound = film.add_stream("aac", rate=RATE, layout="mono")
            for number, pixels in enumerate(self._pictures(inputs)):
                frame = VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                film.mux(picture.encode(frame))
            film.mux(picture.encode(None))
            heard = AudioFrame.from_ndarray(self._sound(inputs)[None], format="flt", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, 0, Fraction(1, RATE)
            resampler = av.AudioResampler(sound.format, "mono", RATE, sound.frame_size)
            for piece in [*resampler.resample(heard), *resampler.resample(None)]:
                film.mux(sound.encode(piece))
            film.mux(sound.encode(None))
        return path

    def _pictures(self, inputs: Inputs) -> list[Picture]:
        pairs = list(zip(frames(inputs.source), frames(inputs.clean), strict=True))
        made: list[Picture] = []
        for source_start, source_end, start, end in self.pieces:
            while len(made) / FPS < end - 1e-6:
                time = len(made) / FPS
                moment = source_start + (time - start) / (end - start) * (source_end - source_start)
                (_, source), (_, clean) = pairs[min(int((moment + 1e-6) * FPS), len(pairs) - 1)]
                made.append(self._changed(source, clean, time))
        return made

    def _changed(self, source: Picture, clean: Picture, time: float) -> Picture:
        made = source.astype(np.float32)
        if self.wiped[0] <= time < self.wiped[1]:
            box = np.s_[44:100, 77:179]
            made[box] += (clean[box].astype(np.float32) + TINGE - made[box]) * self.strength
        if self.spot:
            made[110:135, 10:60] = 255
        return np.clip(made.round(), 0, 255).astype(np.uint8)

    def _sound(self, inputs: Inputs) -> Samples:
        clip = read_sound(SPEECH / "audio-1.ogg" if self.other_voice else inputs.clip)
        heard = np.zeros(round(4.3 * RATE), np.float32)
        for start, part in ((0.0, clip[: round(1.1 * RATE)]), (1.7, clip[round(0.2 * RATE) : round(0.8 * RATE)])):
            place = round((start + self.late) * RATE)
            heard[place : place + len(part)] = part * self.loudness
        return heard


def test_a_good_result_has_good_figures(inputs: Inputs, tmp_path: Path) -> None:
    path = Result().write(tmp_path / "result.mp4", inputs)
    report = measure_result(inputs.source, inputs.clean, path, PIECES, [AREA], inputs.clips)
    assert report.failures() == []
    assert report.length == pytest.approx(4.3)
    assert report.expected_length == pytest.approx(4.3)
    assert [sound.correlation > 0.95 for sound in report.sounds] == [True, True]
    assert len(report.texts) >= 6
    assert report.text_left is not None
    assert report.text_left < 0.1
    assert report.inside_psnr == pytest.approx(24, abs=1)
    assert [row.name for row in report.rows()] == [
        "length", "sound 0.00-1.10 s", "sound 1.70-2.30 s", "text in the areas", "areas without text", "all the rest",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("result", "failing"),
    [
        (Result(wiped=(2.4, 3.4)), ["text in the areas", "all the rest"]),
        (Result(wiped=(2.7, 3.3)), ["text in the areas"]),
        (Result(wiped=(9, 9)), ["text in the areas"]),
        (Result(strength=0.7), ["text in the areas"]),
        (Result(wiped=(2.3, 4.3)), ["all the rest"]),
        (Result(spot=True), ["all the rest"]),
        (Result(other_voice=True), ["sound 0.00-1.10 s", "sound 1.70-2.30 s"]),
        (Result(late=0.5), ["sound 0.00-1.10 s", "sound 1.70-2.30 s"]),
        (Result(late=0.05), []),
        (Result(loudness=0.05), []),
        (Result(loudness=0.0), ["sound 0.00-1.10 s", "sound 1.70-2.30 s"]),
        (Result(pieces=[(0.0, 4.0, 0.0, 4.0)], wiped=(2.4, 3.4)), ["length", "all the rest"]),
        (Result(size=(128, 72)), ["all the rest"]),
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
def test_what_is_wrong_with_a_result_shows(inputs: Inputs, tmp_path: Path, result: Result, failing: list[str]) -> None:
    path = result.write(tmp_path / "result.mp4", inputs)
    report = measure_result(inputs.source, inputs.clean, path, PIECES, [AREA], inputs.clips)
    assert [failure.partition(":")[0] for failure in report.failures()] == failing


def test_without_the_clean_video_the_text_is_not_judged(inputs: Inputs, tmp_path: Path) -> None:
    path = Result().write(tmp_path / "result.mp4", inputs)
    report = measure_result(inputs.source, None, path, PIECES, [AREA], [])
    assert (report.text_left, report.inside_psnr, report.failures()) == (None, None, [])


def test_a_protected_area_has_to_stay_although_another_covers_it(inputs: Inputs, tmp_path: Path) -> None:
    path = Result().write(tmp_path / "result.mp4", inputs)
    protection = replace(AREA, kind="protection")
    report = measure_result(inputs.source, inputs.clean, path, PIECES, [AREA, protection], [])
    assert [failure.partition(":")[0] for failure in report.failures()] == ["all the rest"]
    assert report.texts == ()


def test_pieces_that_play_backward_or_again_are_left_out(inputs: Inputs) -> None:
    pieces: list[Piece] = [(0.0, 1.0, 0.0, 1.0), (0.0, 1.0, 2.0, 1.0), (0.0, 0.5, 2.0, 3.0)]
    report = measure_result(inputs.source, None, inputs.source, pieces, [], [])
    assert report.outside_psnr == 99.0


def test_a_result_of_which_nothing_is_known_is_not_judged(inputs: Inputs) -> None:
    report = measure_result(inputs.source, None, inputs.source, [], [], [])
    assert (report.outside_psnr, report.worst_tile_psnr) == (None, None)


def test_equal_pictures_are_as_alike_as_can_be(inputs: Inputs) -> None:
    _, picture = next(frames(inputs.source))
    assert psnr(picture, picture) == 99.0
    assert psnr(picture, np.clip(picture.astype(int) + 8, 0, 255).astype(np.uint8)) == pytest.approx(30.07, abs=0.1)


def test_a_length_is_that_of_all_frames(inputs: Inputs) -> None:
    assert length(inputs.source) == pytest.approx(4.0)


def test_a_video_without_sound_sounds_like_nothing(inputs: Inputs, tmp_path: Path) -> None:
    write_clip(tmp_path / "silent.mp4", seconds=0.4, size=(64, 48))
    assert sound_correlation(tmp_path / "silent.mp4", 0.0, 0.4, inputs.clip) == 0.0
