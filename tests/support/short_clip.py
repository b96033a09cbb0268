"""Inputs that are as cheap as possible to process and still show whether the result is right."""

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from deployments.local.sample import Caption, SampleFiles, write_clip

CLIP_SECONDS: Final = 2.4
CLIP_SIZE: Final = (320, 180)
FRAME_RATE: Final = Fraction(15)  # frames per second: few, since each is decoded and drawn a dozen times
SEGMENT: Final = {"startTime": 0, "endTime": 1.0, "audioInput": {"refId": "audio-2"}}  # the clip lasts 1.1 s
AREA: Final = {"x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 1.5, "end": 2.1}
_SPEECH: Final = Path(__file__).parents[2] / "deployments/local/sample/speech"


def write_short_inputs(folder: Path) -> SampleFiles:
    """A clip of the sample's lake with a caption, and one piece of new speech."""
    folder.mkdir(parents=True, exist_ok=True)
    video, clean, audio = folder / "short.mp4", folder / "short-without-text.mp4", folder / "audio-2.flac"
    write_clip(
        video,
        seconds=CLIP_SECONDS,
        size=CLIP_SIZE,
        fps=FRAME_RATE,
        captions=[Caption(**AREA, text="Dawn")],
        sound=_SPEECH / "narration.ogg",
        clean=clean,
    )
    shutil.copyfile(_SPEECH / audio.name, audio)
    return SampleFiles(video=video, audio={"audio-2": audio}, clean=clean, request=folder / "none.json")


def write_padded_video(folder: Path, video: Path, size: int) -> Path:
    """The same video with `size` bytes that players skip, so that storing it takes several parts."""
    large = folder / "large.mp4"
    large.write_bytes(video.read_bytes() + (size + 8).to_bytes(4, "big") + b"free" + bytes(size))
    return large


def make_short_request(video: str, audio: str, *, areas: bool) -> dict[str, Any]:
    """The parameters of a run whose inputs are at these addresses."""
    return {
        "video": video,
        "audio": [{"refId": "audio-2", "source": audio}],
        "segments": [SEGMENT],
        "effects": [{"kind": "erasure", **AREA}] if areas else [],
        "user_id": "ada",
    }
