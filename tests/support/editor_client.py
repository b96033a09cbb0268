"""The old editor's form as a browser sends it: part by part in its order, with values recorded from the real editor."""

import json
from typing import Any, Final

DIALOG_REF_ID: Final = "audio-1722945600123-k3j9x0q2a"  # from the dialog
DROP_ZONE_REF_ID: Final = "audio_1722945600456_p0o9i8u7y"  # from the timeline's drop zone
REGION: Final = {"x": 0.3, "y": 0.3, "width": 0.4, "height": 0.4}
FormPart = tuple[str, tuple[str | None, bytes]]


def make_segment(start: float, end: float, ref_id: str, **crop: float | None) -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "audioInput": {"refId": ref_id, **crop}}


def make_area(kind: str = "erasure", start: float = 4.1, end: float = 8.3, **region: float) -> dict[str, Any]:
    return {"type": kind, "startTime": start, "endTime": end, "region": REGION | region}


def form_parts(
    video: tuple[str, bytes],
    sounds: list[tuple[str, bytes]],
    segments: list[dict[str, Any]],
    effects: list[dict[str, Any]] | None = None,
) -> list[FormPart]:
    """The parts of the form. Without areas, `effects` is omitted."""
    texts = {"segments_data": json.dumps(segments)} | ({"effects": json.dumps(effects)} if effects else {})
    return [
        ("file", video),
        ("display_name", (None, f"Pro Video - {video[0]}".encode())),
        *(("audio_files", sound) for sound in sounds),
        *((name, (None, text.encode())) for name, text in texts.items()),
    ]
