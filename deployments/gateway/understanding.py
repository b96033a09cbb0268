"""What a form that has come in asks for: a request, or all its problems under the form's own names."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deployments.gateway.access import Caller
from deployments.gateway.editor_form import EditorForm, shortened_name
from deployments.gateway.problems import refused_input
from deployments.gateway.receiving import Received, SentFile, plain_name
from videojobs.errors import InvalidRequest, Problem
from videojobs.intake import parse_request
from videojobs.lecture.intake import parse_lecture
from videojobs.lecture.request import LectureRequest
from videojobs.request import JobRequest, canonical

_OUR_REF_ID: Final = re.compile(r"^audio\[\d+]\.refId$")
_ABOUT_REF_IDS: Final = re.compile(r"^audio$|refId")
_NOWHERE: Final = "s3://not-sent/not-sent"  # stands in for a file whose absence is reported in better words


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and sentences on what in it was read otherwise than it was sent."""

    request: JobRequest | LectureRequest
    changes: Sequence[str] = ()


def understood(received: Received, who: Caller) -> Asked:
    """The request in a form. Raises a refusal with all problems, under the form's own names."""
    texts, problems = received.texts, list(received.problems)
    if texts.get("user_id", who.user_id) != who.user_id:
        problems.append(Problem("user_id", "is not the user of your token; leave it out"))
    if received.video is None and not any(item.path == "file" for item in problems):
        problems.append(Problem("file", "is required: send the video"))
    form = EditorForm.of(texts.get("segments_data"), texts.get("effects"))
    problems += _miscounted(received, form)
    raw = {
        "video": received.video.arrived.stored.uri if received.video else _NOWHERE,
        "audio": [
            {"refId": ref_id, "source": sound.arrived.stored.uri}
            for ref_id, sound in zip(_ref_ids(received.audio, form.ref_ids), received.audio, strict=True)
        ],
        "segments": form.segments,
        "effects": form.effects,
        "display_name": shortened_name(texts.get("display_name")),
        "user_id": who.user_id,
        **({"options": texts["options"]} if "options" in texts else {}),
    }
    request = None
    try:
        request = parse_request(raw)
    except InvalidRequest as error:
        about_audio = any(item.path.startswith("audio_files") for item in problems)
        # The files' refIds are ours, given by what the segments say. And where a sound file was refused or is missing,
        # what its absence breaks would only confuse.
        confusing = _ABOUT_REF_IDS if about_audio else _OUR_REF_ID
        found = [item for item in error.problems if not confusing.search(item.path)]
        problems += [Problem(_as_sent(form.as_sent(item.path)), item.message) for item in found]
    if request is None or problems:
        raise refused_input(problems)
    return Asked(request, form.changes)


def understood_lecture(received: Received, who: Caller) -> Asked:
    """As above, for a lecture."""
    texts, problems = received.texts, list(received.problems)
    if texts.get("user_id", who.user_id) != who.user_id:
        problems.append(Problem("user_id", "is not the user of your token; leave it out"))
    if received.video is None and not any(item.path == "file" for item in problems):
        problems.append(Problem("file", "is required: send the video"))
    raw: dict[str, object] = {name: texts[name] for name in ("display_name", "options") if name in texts}
    if speech := {name: texts[name] for name in ("language", "without_speech") if texts.get(name)}:
        if texts.get("options"):
            problems += [Problem(name, "is a part of options, which is given too; give it there") for name in speech]
        raw["options"] = {"speech": speech}
    raw["video"] = received.video.arrived.stored.uri if received.video else _NOWHERE
    raw["user_id"] = who.user_id
    request = None
    try:
        request = parse_lecture(raw)
    except InvalidRequest as error:
        problems += [Problem(_as_sent(item.path), item.message) for item in error.problems]
    if request is None or problems:
        raise refused_input(problems)
    return Asked(request)


def _ref_ids(sounds: Sequence[SentFile], wanted: Sequence[str]) -> list[str]:
    """By a file's own name where a segment asks for that; the others in the order in which segments first name them."""
    named: dict[str, int] = {}  # the file's index by its refId
    for index, sound in enumerate(sounds):
        found = [name for name in (sound.name, plain_name(sound.name)) if name in wanted and name not in named]
        if found:
            named[found[0]] = index
    by_index = {index: name for name, index in named.items()}
    others = iter([name for name in wanted if name not in named])
    return [by_index.get(index) or next(others, f"audio-{index + 1}") for index in range(len(sounds))]


def _miscounted(received: Received, form: EditorForm) -> list[Problem]:
    """One that names both numbers, where they differ: which file is whose can not be told then."""
    sent, wanted = len(received.audio), len(form.ref_ids)
    if not form.all_named or sent == wanted or any(item.path.startswith("audio_files") for item in received.problems):
        return []
    message = f"one is required for each refId of the segments, and these have {wanted}; the form has {sent}"
    return [Problem("audio_files", f"{message}. Send them in the order in which the segments first name them")]


def _as_sent(path: str) -> str:
    """`audio[0].source` as the form calls it: `audio_files[0]`."""
    if path.startswith("audio["):
        return "audio_files" + path.removeprefix("audio").partition(".")[0]
    for ours, theirs in (("video", "file"), ("segments", "segments_data"), ("audio", "audio_files")):
        if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
            return theirs + path.removeprefix(ours)
    return path


def form_fingerprint(request: JobRequest | LectureRequest, received: Received) -> str:
    """Of what was asked for and of what is in the files; where they were put is different each time."""
    files = [received.video, *received.audio]
    plain = canonical(request)
    plain["video"], plain["audio"] = "", [item["refId"] for item in plain.get("audio", [])]
    hashes = [file.arrived.sha256 for file in files if file]
    return hashlib.sha256(json.dumps([plain, hashes], sort_keys=True).encode()).hexdigest()
