"""A valid request, for tests to change in one place."""

from copy import deepcopy
from typing import Any

from videojobs.requests.models import JobRequest
from videojobs.requests.parsing import parse_request

RAW_REQUEST: dict[str, Any] = {
    "video": "s3://media/talk.mp4",
    "audio": [
        {"refId": "audio-1", "source": "s3://media/one.wav"},
        {"refId": "audio-2", "source": "https://example.com/two.wav?signature=abc"},
    ],
    "segments": [
        {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
        {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
    ],
    "effects": [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}],
    "user_id": "user-1",
}


def make_request(**changes: object) -> JobRequest:
    return parse_request({**deepcopy(RAW_REQUEST), **changes})
