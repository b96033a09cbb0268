"""Short videos with a given sound track."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tests.support.sample_lecture import SPEECH_SECONDS, draw_slide

AUDIO_RATE = 16_000


def write_slide_with_audio(path: Path, sound: NDArray[np.int16], delay: float = 0.0) -> Path:
    """A slide at two frames per second for the length of the audio, which starts `delay` seconds later."""
    with av.open(path, "w") as film:
        picture = film.add_stream("libx264", rate=2)
        assert isinstance(picture, VideoStream)
        picture.width, picture.height, picture.pix_fmt = 320, 180, "yuv420p"
        track = film.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        assert isinstance(track, AudioStream)
        page = draw_slide(1, SPEECH_SECONDS, (320, 180))
        for _ in range(round(2 * (delay + len(sound) / AUDIO_RATE))):
            film.mux(picture.encode(VideoFrame.from_ndarray(page, format="rgb24")))
        film.mux(picture.encode(None))
        frame = AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, round(delay * AUDIO_RATE), Fraction(1, AUDIO_RATE)
        resampler = av.AudioResampler(track.codec_context.format, "mono", AUDIO_RATE, 1024)
        for piece in resampler.resample(frame) + resampler.resample(None):
            film.mux(track.encode(piece))
        film.mux(track.encode(None))
    return path
