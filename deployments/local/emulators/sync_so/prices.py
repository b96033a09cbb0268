"""The available models and their prices (fact sheet 2 and 8; US dollars)."""

import math

BILLED_FRAME_RATE = 25

# name -> price of one output second, the upper end of the published range
MODELS = {
    "sync-3": 0.133,
    "lipsync-2": 0.05,
    "lipsync-2-pro": 0.083,
    "lipsync-1.9.0-beta": 0.025,
    "react-1": 0.05,
}


def price(model: str, seconds: float) -> float:
    """Billed per started frame at 25 frames per second."""
    return round(billed_frames(seconds) / BILLED_FRAME_RATE * MODELS[model], 4)


def billed_frames(seconds: float, rate: float = BILLED_FRAME_RATE) -> int:
    return math.ceil(round(seconds * rate, 6))


def model_catalog() -> list[dict[str, object]]:
    """The response of `GET /v2/models`."""
    return [
        {
            "id": name,
            "name": name,
            "type": name.split("-", maxsplit=1)[0] if name.startswith("react") else "lipsync",
            "version": name.partition("-")[2],
            "description": None,
            "deprecatedAt": None,
        }
        for name in MODELS
    ]
