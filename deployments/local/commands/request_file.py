"""The parameters of a run from a request file: JSON as in the README, file paths relative to the file itself."""

import json
from pathlib import Path
from typing import Any

from deployments.local.stack.errors import StackError


def load_request_file(file: Path, video: Path | None = None) -> dict[str, Any]:
    """The parameters, with absolute local paths, since the worker runs in another folder. `video` overrides."""
    try:
        parameters = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise StackError(f"{file} is not a readable request: {error}") from error
    if not isinstance(parameters, dict):
        raise StackError(f"{file} has to hold a JSON object: see the README for its fields")
    if video is not None:
        parameters["video"] = str(video.resolve())
    elif "video" in parameters:
        parameters["video"] = _resolve_source(parameters["video"], file.parent)
    for audio in parameters.get("audio") or []:
        if isinstance(audio, dict) and "source" in audio:
            audio["source"] = _resolve_source(audio["source"], file.parent)
    return parameters


def _resolve_source(source: object, folder: Path) -> object:
    """A file name is relative to the request file; URLs and invalid values are left to the flow's validation."""
    if not isinstance(source, str) or "://" in source or not source:
        return source
    return str((folder / source).resolve())
