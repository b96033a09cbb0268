"""Forms as clients of the old endpoints send them, written from requirement M9 alone."""

import json
import uuid
from typing import Any, Final

PROCESS: Final = "/api/v1/video-editors/pro-sync-process"
ALIAS: Final = "/api/v1/sync/pro-sync-process"
SEGMENTS: Final = [
    {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
    {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
]
EFFECTS: Final = [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}]
MP4: Final = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
WAV: Final = b"RIFF\x24\0\0\0WAVEfmt "
Files = list[tuple[str, tuple[str, bytes]]]


def a_video(size: int = 2000) -> bytes:
    """Begins like one."""
    return MP4 + b"v" * (size - len(MP4))


def a_sound(letter: bytes = b"s", size: int = 1000) -> bytes:
    """Begins like one."""
    return WAV + letter * (size - len(WAV))


def files(video: bytes | None = None) -> Files:
    return [
        ("file", ("talk.mp4", video or a_video())),
        ("audio_files", ("one.wav", a_sound(b"1"))),
        ("audio_files", ("two.wav", a_sound(b"2"))),
    ]


def fields(**changes: Any) -> dict[str, str]:
    """Lists as JSON text; None leaves a field out."""
    given = {"segments_data": SEGMENTS, "effects": EFFECTS, "display_name": "A test"} | changes
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
        if value is not None
    }


def a_key() -> dict[str, str]:
    """Of a job that nobody has asked for yet."""
    return {"Idempotency-Key": f"order-{uuid.uuid4()}"}
