"""Forms as clients of the old endpoints send them, written from requirement M9 alone."""

import json
import uuid
from typing import Any, Final

PROCESS_URL: Final = "/api/v1/video-editors/pro-sync-process"
ALIAS_URL: Final = "/api/v1/sync/pro-sync-process"
SEGMENTS: Final = [
    {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
    {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
]
EFFECTS: Final = [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}]
MP4_HEADER: Final = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
WAV_HEADER: Final = b"RIFF\x24\0\0\0WAVEfmt "
FormFiles = list[tuple[str, tuple[str, bytes]]]


def video_bytes(size: int = 2000) -> bytes:
    """Bytes that start like a video."""
    return MP4_HEADER + b"v" * (size - len(MP4_HEADER))


def audio_bytes(letter: bytes = b"s", size: int = 1000) -> bytes:
    """Bytes that start like a sound file."""
    return WAV_HEADER + letter * (size - len(WAV_HEADER))


def form_files(video: bytes | None = None) -> FormFiles:
    return [
        ("file", ("talk.mp4", video or video_bytes())),
        ("audio_files", ("one.wav", audio_bytes(b"1"))),
        ("audio_files", ("two.wav", audio_bytes(b"2"))),
    ]


def form_fields(**changes: Any) -> dict[str, str]:
    """The form's fields. Lists become JSON text; None omits a field."""
    given = {"segments_data": SEGMENTS, "effects": EFFECTS, "display_name": "A test"} | changes
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
        if value is not None
    }


def new_idempotency_headers() -> dict[str, str]:
    """Headers with an idempotency key that no job has yet."""
    return {"Idempotency-Key": f"order-{uuid.uuid4()}"}
