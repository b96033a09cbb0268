"""What a form that has come in asks for: a request, or all its problems under the form's own names."""

import hashlib
import json
from typing import Final

from deployments.gateway.access import Caller
from deployments.gateway.problems import refused_input
from deployments.gateway.receiving import Received, SentFile, plain_name
from videojobs.errors import InvalidRequest, Problem
from videojobs.intake import parse_request, ref_ids_wanted
from videojobs.request import JobRequest, canonical

_NOWHERE: Final = "s3://not-sent/not-sent"  # stands in for a file whose absence is reported in better words


def understood(received: Received, who: Caller) -> JobRequest:
    """The request in a form. Raises a refusal with all problems, under the form's own names."""
    texts, problems = received.texts, list(received.problems)
    if texts.get("user_id", who.user_id) != who.user_id:
        problems.append(Problem("user_id", "is not the user of your token; leave it out"))
    if received.video is None and not any(item.path == "file" for item in problems):
        problems.append(Problem("file", "is required: send the video"))
    wanted = ref_ids_wanted(texts.get("segments_data"))
    raw = {
        "video": received.video.arrived.stored.uri if received.video else _NOWHERE,
        "audio": [
            {"refId": _ref_id(sound, number, wanted), "source": sound.arrived.stored.uri}
            for number, sound in enumerate(received.audio, start=1)
        ],
        "segments": texts.get("segments_data"),
        "effects": texts.get("effects"),
        "display_name": texts.get("display_name"),
        "user_id": who.user_id,
        **({"options": texts["options"]} if "options" in texts else {}),
    }
    request = None
    try:
        request = parse_request(raw)
    except InvalidRequest as error:
        about_audio = any(item.path.startswith("audio_files") for item in problems)
        found = [Problem(_as_sent(item.path), item.message) for item in error.problems]
        # Where a sound file was refused, what its absence breaks would only confuse.
        problems += [item for item in found if not about_audio or "refId" not in item.path]
    if request is None or problems:
        raise refused_input(problems)
    return request


def _ref_id(sound: SentFile, number: int, wanted: frozenset[str]) -> str:
    """By its file name where a segment asks for that, else by its order: `audio-1`, `audio-2`, ..."""
    for name in (sound.name, plain_name(sound.name)):
        if name in wanted:
            return name
    return f"audio-{number}"


def _as_sent(path: str) -> str:
    """`audio[0].source` as the form calls it: `audio_files[0]`."""
    if path.startswith("audio["):
        return "audio_files" + path.removeprefix("audio").partition(".")[0]
    for ours, theirs in (("video", "file"), ("segments", "segments_data"), ("audio", "audio_files")):
        if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
            return theirs + path.removeprefix(ours)
    return path


def form_fingerprint(request: JobRequest, received: Received) -> str:
    """Of what was asked for and of what is in the files; where they were put is different each time."""
    files = [received.video, *received.audio]
    plain = canonical(request)
    plain["video"], plain["audio"] = "", [item["refId"] for item in plain["audio"]]
    hashes = [file.arrived.sha256 for file in files if file]
    return hashlib.sha256(json.dumps([plain, hashes], sort_keys=True).encode()).hexdigest()
