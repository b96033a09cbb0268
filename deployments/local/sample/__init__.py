"""The sample clip: a lake at dawn with speech, and text in the picture that a job removes."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployments.local.sample.captions import Caption
from deployments.local.sample.clip import write_clip

__all__ = ["Caption", "SampleFiles", "write_clip", "write_sample"]

_SPEECH: Final = Path(__file__).parent / "speech"
_AUDIO: Final = {"audio-1": "audio-1.ogg", "audio-2": "audio-2.flac"}  # 2.6 s and 1.1 s
# The owner's second acceptance test (requirements M12). One clip is longer than its segment and one is shorter, so
# the result has another length, and areas must move with it.
_SEGMENTS: Final = ((0, 2, "audio-1"), (2.1, 3.5, "audio-2"))
_AREA: Final = {"x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """Paths of the sample. `clean` is the video without its text, as ground truth for measurements."""

    video: Path
    audio: dict[str, Path]  # by refId
    clean: Path
    request: Path  # JSON: the parameters of a run, with absolute paths


def write_sample(folder: Path) -> SampleFiles:
    """Write the sample into a folder, created if missing. Takes some seconds."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    files = SampleFiles(
        video=folder / "lake.mp4",
        audio={ref_id: folder / name for ref_id, name in _AUDIO.items()},
        clean=folder / "lake-without-text.mp4",
        request=folder / "request.json",
    )
    for ref_id, name in _AUDIO.items():
        shutil.copyfile(_SPEECH / name, files.audio[ref_id])
    caption = Caption(**_AREA, text="Lake at dawn\n6:42 a.m.")
    write_clip(files.video, captions=[caption], sound=_SPEECH / "narration.ogg", clean=files.clean)
    files.request.write_text(json.dumps(_request(files), indent=2) + "\n")
    return files


def _request(files: SampleFiles) -> dict[str, object]:
    return {
        "video": str(files.video),
        "audio": [{"refId": ref_id, "source": str(path)} for ref_id, path in files.audio.items()],
        "segments": [
            {"startTime": start, "endTime": end, "audioInput": {"refId": ref_id}} for start, end, ref_id in _SEGMENTS
        ],
        "effects": [{"kind": "erasure", **_AREA}],
        "display_name": "Lake at dawn",
        "user_id": "demo",
    }
