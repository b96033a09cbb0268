"""A lecture made for the tests: eight slides with animations, a jump back, a lecturer in the corner, clear speech.

`speech.ogg` was made once from the sentences below, each followed by a second of silence: Debian's `flite -voice rms`,
then Opus at 16 kbit/s (PyAV's libopus). The tests need no text-to-speech program.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from videojobs.lecture.options import Mask

Frame = NDArray[np.uint8]

SPEECH = Path(__file__).with_name("speech.ogg")
SENTENCES = (
    "Good morning everyone. Today we will talk about the water on our planet.",
    "Most of the water in the world is in the oceans. Only a small part of it is fresh.",
    "The sun heats the sea and the water goes up into the air.",
    "High in the cold air it turns into clouds. The wind carries them over the land.",
    "Then the rain falls on the mountains and on the fields.",
    "Small streams run down the hills and become a large river.",
    "The people in the city need clean water every day.",
    "Remember the clouds that we saw before. They bring the rain.",
    "This is the end of the lecture. Thank you for your time.",
)
SENTENCE_STARTS = (0.0, 5.845, 12.415, 16.88, 23.29, 27.745, 32.6, 37.135, 42.29)
SPEECH_SECONDS = 46.9
FAST_ENCODER_OPTIONS = {
    "preset": "veryfast",
    "crf": "28",
    "deadline": "realtime",
    "cpu-used": "8",
}  # each encoder has its own options
SLIDE_LEAD_SECONDS = 0.5  # seconds; a slide is shown before its speech starts

SLIDE_TEXTS = (
    ("Water", "A lecture on rain and rivers", "Part one of three"),
    ("Oceans", "97 percent is salt water", "3 percent is fresh", "Most of that is ice"),
    ("Evaporation", "The sun heats the sea", "Vapour rises"),
    ("Clouds", "Cold air holds less vapour", "Droplets form", "Wind moves them"),
    ("Rain", "Mountains first", "Then the fields"),
    ("Rivers", "Streams meet", "The river grows", "It reaches the sea"),
    ("The city", "Clean water every day", "Pipes and pumps"),
    ("The end", "Thank you", "Any questions?"),
)
SLIDE_ORDER = (0, 1, 2, 3, 4, 5, 6, 3, 7)
"""The slide shown with each sentence: the clouds appear twice."""

CAMERA_MASK = Mask(x=0.76, y=0.7, w=0.24, h=0.3)
FADE, BLACK, CUT = "fade", "black", "cut"
TRANSITIONS = (CUT, CUT, FADE, CUT, CUT, BLACK, CUT, CUT, FADE)
FADE_SECONDS, BLACK_SECONDS, FLY_IN_SECONDS = 0.5, 0.4, 0.6


@dataclass(frozen=True, slots=True)
class ShownSlide:
    """A slide and the interval, in seconds, in which it is on screen."""

    slide: int
    start: float
    end: float


def slide_schedule() -> list[ShownSlide]:
    starts = [max(0.0, at - SLIDE_LEAD_SECONDS) for at in SENTENCE_STARTS]
    return [ShownSlide(*each) for each in zip(SLIDE_ORDER, starts, [*starts[1:], SPEECH_SECONDS], strict=True)]


@dataclass(frozen=True, slots=True)
class SampleLecture:
    """How to record the lecture. The file's extension selects the container."""

    size: tuple[int, int] = (640, 360)
    frame_rate: Fraction = Fraction(10)
    rotation: int = 0
    codec: str = "libx264"
    camera: bool = True
    voice: str | None = "aac"
    slide_changes_only: bool = False
    """A frame only where the picture changes, as some screen recorders write them."""
    end_seconds: float = SPEECH_SECONDS

    def write(self, path: Path) -> Path:
        with av.open(path, "w") as film:
            picture = film.add_stream(self.codec, rate=self.frame_rate, options=FAST_ENCODER_OPTIONS)
            assert isinstance(picture, VideoStream)
            picture.width, picture.height, picture.pix_fmt = *self.size, "yuv420p"
            picture.codec_context.time_base = 1 / self.frame_rate
            if self.rotation:
                picture.set_display_rotation(self.rotation)
            sound = film.add_stream(self.voice, rate=16_000, layout="mono") if self.voice else None
            for frame in self._frames():
                film.mux(picture.encode(frame))
            film.mux(picture.encode(None))
            if isinstance(sound, AudioStream):
                _write_audio(film, sound, self.end_seconds)
        return path

    def _frames(self) -> Iterator[VideoFrame]:
        before: Frame | None = None
        for number in range(round(self.end_seconds * self.frame_rate)):
            time = float(number / self.frame_rate)
            picture = self.frame_at(time)
            last = number == round(self.end_seconds * self.frame_rate) - 1
            if self.slide_changes_only and before is not None and not last and np.array_equal(picture, before):
                continue
            before = picture
            frame = VideoFrame.from_ndarray(np.rot90(picture, -self.rotation // 90).copy(), format="rgb24")
            frame.pts, frame.time_base = number, 1 / self.frame_rate
            yield frame

    def frame_at(self, time: float) -> Frame:
        """The frame on screen at a time."""
        upright = (self.size[1], self.size[0]) if self.rotation % 180 else self.size
        timetable = slide_schedule()
        place = max(index for index, shown in enumerate(timetable) if shown.start <= time)
        since, change = time - timetable[place].start, TRANSITIONS[place]
        page = draw_slide(SLIDE_ORDER[place], since if place != 7 else SPEECH_SECONDS, upright)
        if place and change == FADE and since < FADE_SECONDS:
            share = since / FADE_SECONDS
            page = cv2.addWeighted(
                draw_slide(SLIDE_ORDER[place - 1], SPEECH_SECONDS, upright), 1 - share, page, share, 0
            ).astype(np.uint8)
        if place and change == BLACK and since < BLACK_SECONDS:
            page[:] = 0
        if self.camera:
            _draw_lecturer(page, time)
        return page


def draw_slide(number: int, shown_seconds: float, size: tuple[int, int] = (640, 360)) -> Frame:
    """A slide some seconds after it appears: its lines fly in from the right, one after the other."""
    width, height = size
    page = np.full((height, width, 3), 250, np.uint8)
    page[: height // 7] = (30, 60, 110)
    page[-height // 40 :] = (30, 60, 110)
    title, *lines = SLIDE_TEXTS[number]
    scale = min(width, height) / 360
    _draw_text(page, title, 0.04 * width, 0.1 * height, 1.0 * scale, (255, 255, 255))
    for line, text in enumerate(lines):
        flown = min(1.0, max(0.0, (shown_seconds - 0.4 - 0.8 * line) / FLY_IN_SECONDS))
        if flown:
            left = (0.08 + (1 - flown) * 0.9) * width
            _draw_text(
                page,
                f"- {text}",
                left,
                (0.32 + 0.15 * line) * height,
                0.7 * scale * min(1, width / height),
                (20, 20, 20),
            )
    return page


def _draw_text(frame: Frame, text: str, x: float, y: float, scale: float, color: tuple[int, int, int]) -> None:
    thickness = max(1, round(2 * scale))
    cv2.putText(frame, text, (round(x), round(y)), cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def _draw_lecturer(frame: Frame, time: float) -> None:
    """A head that nods and turns in front of a wall, in the corner."""
    height, width = frame.shape[:2]
    left, top = round(CAMERA_MASK.x * width), round(CAMERA_MASK.y * height)
    corner = frame[top:, left:]
    corner[:] = (90, 110, 90)
    high, wide = corner.shape[:2]
    x, y = wide * (0.5 + 0.2 * np.sin(time * 3)), high * (0.5 + 0.15 * np.cos(time * 5))
    cv2.ellipse(
        corner, (round(x), round(y)), (wide // 5, high // 3), 20 * np.sin(time * 2), 0, 360, (205, 170, 140), -1
    )
    cv2.circle(corner, (round(x), round(y)), max(2, wide // 30), (40, 40, 40), -1)


def _write_audio(film: av.container.OutputContainer, track: AudioStream, end_seconds: float) -> None:
    resampler = av.AudioResampler(track.codec_context.format, "mono", 16_000, track.codec_context.frame_size)
    with av.open(SPEECH) as speech:
        for frame in speech.decode(audio=0):
            if frame.time is not None and frame.time >= end_seconds:
                break
            for piece in resampler.resample(frame):
                film.mux(track.encode(piece))
    for piece in resampler.resample(None):
        film.mux(track.encode(piece))
    film.mux(track.encode(None))
