"""How both emulators process unusual films: rotated, trimmed, with variable frame rates, other sizes and sounds."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame

from deployments.local.emulators import video
from deployments.local.emulators.ghostcut.render import RenderSpec, render
from tests.support import emulator_clips
from tests.support.emulator_clips import correlation, psnr


def write_clip(file: Path, times: list[int], *, rotation: int = 0, with_pcm: bool = False) -> Path:
    """Frames shown at these hundredths of a second; an edit list hides those before zero."""
    with av.open(file, "w") as film:
        track = film.add_stream("libx264", rate=25, options={"crf": "10"})
        track.width, track.height, track.pix_fmt = emulator_clips.WIDTH, emulator_clips.HEIGHT, "yuv420p"
        track.codec_context.time_base = Fraction(1, 100)
        if rotation:
            track.set_display_rotation(rotation)
        heard = film.add_stream("pcm_s16le", rate=emulator_clips.SAMPLE_RATE, layout="mono") if with_pcm else None
        for number, time in enumerate(times):
            frame = VideoFrame.from_ndarray(emulator_clips.draw_frame(number, text=False), format="bgr24")
            frame.pts, frame.time_base = time, Fraction(1, 100)
            film.mux(track.encode(frame))
        film.mux(track.encode(None))
        if isinstance(heard, AudioStream):
            samples = (emulator_clips.make_noise(len(times) / 25, 1)[None] * 32_767).astype(np.int16)
            whole = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            whole.sample_rate = emulator_clips.SAMPLE_RATE
            film.mux(heard.encode(whole))
            film.mux(heard.encode(None))
    return file


def render_and_decode(source: Path, *, ceiling: int = 1080) -> emulator_clips.DecodedVideo:
    target = source.with_name("cleaned.mp4")
    render(lambda: None, RenderSpec(source, [], False, 10, ceiling, None), target)
    return emulator_clips.decode_video(target)


def frame_times(file: Path) -> list[float]:
    with av.open(file) as film:
        return [frame.time for frame in film.decode(video=0)]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_video_is_rendered_upright(tmp_path: Path, rotation: int) -> None:
    source = write_clip(tmp_path / "turned.mp4", [0, 4, 8], rotation=rotation)
    _, shown = cv2.VideoCapture(str(source)).read()
    expected = cv2.cvtColor(shown, cv2.COLOR_BGR2YUV)[..., 0]
    (picture, *_) = render_and_decode(source).frames
    assert picture.shape == expected.shape
    assert np.corrcoef(picture.ravel(), expected.ravel())[0, 1] > 0.99


def test_frames_hidden_by_an_edit_list_stay_hidden(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "trimmed.mp4", [-12, -8, -4, 0, 4, 8, 12])
    assert video.probe(source).frames == 4
    assert render_and_decode(source).frame_numbers == [3, 4, 5, 6]


def test_ghostcut_keeps_variable_frame_times(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "uneven.mp4", [0, 3, 9, 12, 20])
    assert render_and_decode(source).frame_numbers == [0, 1, 2, 3, 4]
    assert frame_times(tmp_path / "cleaned.mp4") == pytest.approx([0, 0.03, 0.09, 0.12, 0.20])


def test_sync_so_converts_to_a_constant_frame_rate(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "uneven.mp4", [0, 4, 12, 16, 20])
    facts = video.VideoProperties(Fraction(25), 6, emulator_clips.WIDTH, emulator_clips.HEIGHT)
    shown = [frame.to_ndarray() for frame in video.read_constant_rate_frames(source, facts, lambda: None)]
    assert len(shown) == 6
    assert np.array_equal(shown[1], shown[2])  # the second frame is on screen twice as long
    assert not np.array_equal(shown[2], shown[3])


def test_the_resolution_limits_the_short_side(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "film.mp4", [0, 4, 8])
    assert render_and_decode(source, ceiling=48).frames.shape[1:] == (48, 80)
    assert render_and_decode(source, ceiling=480).frames.shape[1:] == (emulator_clips.HEIGHT, emulator_clips.WIDTH)


def test_audio_that_mp4_cannot_hold_is_reencoded(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "film.mkv", list(range(0, 200, 4)), with_pcm=True)
    made = render_and_decode(source)
    assert correlation(made.samples_between(0, 2), emulator_clips.make_noise(2.0, 1)) > 0.98
    assert psnr(made.frames, emulator_clips.decode_video(source).frames) > 40
