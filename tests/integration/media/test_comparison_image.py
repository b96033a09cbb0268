"""The comparison image shows the right instants, upright, with captions and outlines."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.support.media_factory import MediaSpec
from videojobs.errors import InvalidMedia
from videojobs.media.comparison_image import CAPTION_HEIGHT, PANEL_GAP, ImageArray, frame_at, render_comparison

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def make_two_color_video(tmp_path: Path) -> Callable[..., Path]:
    """A video that is red for two seconds, then blue for two."""

    def make(name: str, size: tuple[int, int] = (320, 180), rotation: int = 0, aspect: Fraction = Fraction(1)) -> Path:
        with av.open(tmp_path / name, "w") as film:
            track = film.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
            assert isinstance(track, VideoStream)
            track.width, track.height = size
            track.pix_fmt = "yuv420p"
            track.codec_context.sample_aspect_ratio = aspect
            if rotation:
                track.set_display_rotation(rotation)
            for number in range(20):
                color = RED if number < 10 else BLUE
                picture = np.full((size[1], size[0], 3), color, np.uint8)
                picture[: size[1] // 4] = 255  # a white band marks the top
                frame = VideoFrame.from_ndarray(picture, format="rgb24")
                film.mux(track.encode(frame))
            film.mux(track.encode(None))
        return tmp_path / name

    return make


def decode_jpeg(jpeg: bytes) -> ImageArray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[..., ::-1], np.uint8)


def is_color(pixel: ImageArray, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - color).max() < 40)


def test_both_halves_show_their_own_instant(make_two_color_video: Callable[..., Path]) -> None:
    film = make_two_color_video("film.mp4")
    picture = decode_jpeg(render_comparison(film, io.BytesIO(film.read_bytes()), 1.0, 3.0, []))
    height, width = picture.shape[:2]
    assert (width, height) == (2 * 320 + PANEL_GAP, 180 + CAPTION_HEIGHT)
    assert is_color(picture[height // 2, width // 4], RED)
    assert is_color(picture[height // 2, width * 3 // 4], BLUE)


def test_a_large_video_is_scaled_down(make_two_color_video: Callable[..., Path]) -> None:
    upright = make_two_color_video("upright.mp4", size=(720, 1280))
    wide = make_two_color_video("wide.mp4", size=(1920, 1080))
    assert decode_jpeg(render_comparison(wide, wide, 0, 0, [])).shape[1] == 1280
    assert decode_jpeg(render_comparison(upright, upright, 0, 0, [])).shape[0] == 720 + CAPTION_HEIGHT


def test_a_result_of_another_size_is_scaled_to_its_source(make_two_color_video: Callable[..., Path]) -> None:
    picture = decode_jpeg(
        render_comparison(make_two_color_video("a.mp4"), make_two_color_video("b.mp4", size=(160, 90)), 0, 0, [])
    )
    assert picture.shape == (180 + CAPTION_HEIGHT, 2 * 320 + PANEL_GAP, 3)


def test_areas_are_outlined_and_captions_written(make_two_color_video: Callable[..., Path]) -> None:
    film = make_two_color_video("film.mp4")
    plain = decode_jpeg(render_comparison(film, film, 1, 1, []))
    outlined = decode_jpeg(render_comparison(film, film, 1, 1, [(0.25, 0.5, 0.5, 0.25)])).astype(int)
    changed = np.abs(outlined - plain).max(axis=2) > 50
    assert changed[CAPTION_HEIGHT + 90, 100]  # on the upper edge of the area
    assert not changed[CAPTION_HEIGHT + 110, 160]  # inside the area
    assert plain[:CAPTION_HEIGHT, :320].min() < 100  # dark text on a light background


@pytest.mark.parametrize(("time", "color"), [(0.0, RED), (1.95, RED), (2.0, BLUE), (3.9, BLUE), (99.0, BLUE)])
def test_the_frame_at_a_time_is_the_one_a_player_shows(
    make_two_color_video: Callable[..., Path], time: float, color: tuple[int, int, int]
) -> None:
    assert is_color(frame_at(make_two_color_video("film.mp4"), time)[120, 160], color)


@pytest.mark.parametrize(("rotation", "top"), [(90, "left"), (-90, "right"), (180, "bottom")])
def test_a_turned_phone_video_is_shown_upright(
    make_two_color_video: Callable[..., Path], rotation: int, top: str
) -> None:
    picture = frame_at(make_two_color_video("film.mp4", rotation=rotation), 0)
    sides = {"left": picture[:, 4], "right": picture[:, -4], "bottom": picture[-4]}
    assert picture.shape[:2] == ((180, 320) if rotation == 180 else (320, 180))
    assert sides[top].min() > 200


def test_oblong_pixels_are_made_square(make_two_color_video: Callable[..., Path]) -> None:
    assert frame_at(make_two_color_video("film.mp4", aspect=Fraction(4, 3)), 0).shape[1] == round(320 * 4 / 3)


def test_a_file_without_a_picture_is_refused(tmp_path: Path) -> None:
    sound = MediaSpec(video_codec=None).write(tmp_path / "sound.mp4")
    with pytest.raises(InvalidMedia, match="no video track"):
        frame_at(sound, 0)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    content = MediaSpec(options={"movflags": "frag_keyframe+empty_moov"}).write(tmp_path / "film.mp4").read_bytes()
    with pytest.raises(InvalidMedia, match=r"cannot be decoded|has no frames"):
        frame_at(io.BytesIO(content[: content.index(b"moof") - 4]), 0)
