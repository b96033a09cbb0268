"""Turns a received form into a request, or into all its problems, with the form's own field names."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from deployments.api.auth import Principal
from deployments.api.errors import ApiError, validation_error
from deployments.api.uploads.editor_form import EditorForm, is_empty_list, truncate_name
from deployments.api.uploads.form_receiver import WHOLE_VIDEO_AUDIO_FIELD, ReceivedForm, UploadedFile, file_stem
from videojobs.errors import FieldError, InvalidRequest, ProblemCode
from videojobs.lecture.parsing import parse_lecture
from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import JobRequest, to_canonical_json
from videojobs.requests.parsing import parse_request

_GENERATED_REF_ID: Final = re.compile(r"^audio\[\d+]\.refId$")
_ANY_REF_ID: Final = re.compile(r"^audio$|refId")
_WHOLE_VIDEO_REF_ID: Final = "audio-1"
_WHOLE_VIDEO_OPTIONS: Final = {"sync_mode": "loop"}  # the old editor's; its model is our default
_PLACEHOLDER_URI: Final = "s3://not-sent/not-sent"  # replaces a file whose absence is reported separately


@dataclass(frozen=True, slots=True)
class ParsedForm:
    """A request, and one sentence for each part of the form that was adjusted."""

    request: JobRequest | LectureRequest
    changes: Sequence[str] = ()
    segments: object = None  # as sent, before they were sorted


def to_job_request(received: ReceivedForm, principal: Principal) -> ParsedForm:
    """Raises ApiError (422) with all problems, under the form's own field names."""
    texts, problems = received.texts, _form_problems(received, principal)
    form = EditorForm.parse(texts.get("segments_data"), texts.get("effects"))
    problems += [*_speech_errors(texts.get("speech", ""), received, form), *_audio_count_errors(received, form)]
    raw = {
        "video": received.video.upload.stored.uri if received.video else _PLACEHOLDER_URI,
        "audio": [
            {"refId": ref_id, "source": sound.upload.stored.uri}
            for ref_id, sound in zip(_assign_ref_ids(received.audio, form.ref_ids), received.audio, strict=True)
        ],
        "segments": form.segments,
        "effects": form.effects,
        "text_removal": texts.get("text_removal") or ("whole_frame" if form.lost_all_areas else None),
        "display_name": truncate_name(texts.get("display_name")),
        "user_id": principal.user_id,
        "callback_url": texts.get("callback_url"),
        **({"options": texts["options"]} if "options" in texts else {}),
    }
    request = None
    try:
        request = parse_request(raw)
    except InvalidRequest as error:
        about_audio = any(item.path.startswith("audio_files") for item in problems)
        # The files' refIds were assigned here, by the segments. And if an audio file was rejected or is missing, errors
        # that follow from its absence would only confuse.
        suppressed = _ANY_REF_ID if about_audio else _GENERATED_REF_ID
        known = {item.path for item in problems}
        found = [item for item in error.errors if not suppressed.search(item.path)]
        named = [replace(item, path=_form_field_name(form.client_path(item.path))) for item in found]
        problems += [item for item in named if item.path not in known]
    if request is None or problems:
        raise validation_error(problems)
    return ParsedForm(request, form.changes, form.segments)


def to_whole_video_request(received: ReceivedForm, principal: Principal) -> ParsedForm:
    """As `to_job_request`: one audio for the whole video, then text removal in the areas, or in the whole frame."""
    problems = []
    if not received.audio and not any(item.path == WHOLE_VIDEO_AUDIO_FIELD for item in received.problems):
        message = "is required: send the new speech for the whole video"
        problems.append(FieldError(WHOLE_VIDEO_AUDIO_FIELD, message, ProblemCode.REQUIRED))
    audio = [{"refId": _WHOLE_VIDEO_REF_ID, "source": sound.upload.stored.uri} for sound in received.audio[:1]]
    return _to_text_removal_request(received, principal, problems, {"audio": audio, "options": _WHOLE_VIDEO_OPTIONS})


def to_text_removal_request(received: ReceivedForm, principal: Principal) -> ParsedForm:
    """As `to_job_request`: text removal alone, in the areas or in the whole frame."""
    return _to_text_removal_request(received, principal, [], {})


def _to_text_removal_request(
    received: ReceivedForm, principal: Principal, more_problems: Sequence[FieldError], more_fields: dict[str, object]
) -> ParsedForm:
    """Without areas, text is removed from the whole frame."""
    texts, problems = received.texts, [*_form_problems(received, principal), *more_problems]
    form = EditorForm.parse(None, texts.get("effects"))
    raw = {
        "video": received.video.upload.stored.uri if received.video else _PLACEHOLDER_URI,
        "effects": form.effects,
        "text_removal": "whole_frame" if is_empty_list(form.effects) else None,
        "display_name": truncate_name(texts.get("display_name")),
        "user_id": principal.user_id,
        "callback_url": texts.get("callback_url"),
        **more_fields,
    }
    request = None
    try:
        request = parse_request(raw)
    except InvalidRequest as error:
        known = {item.path for item in problems}
        named = [replace(item, path=_basic_field_name(form.client_path(item.path))) for item in error.errors]
        problems += [item for item in named if item.path not in known]
    if request is None or problems:
        raise validation_error(problems)
    return ParsedForm(request, form.changes)


def _basic_field_name(path: str) -> str:
    """As `_form_field_name`, of a form with one audio file at most."""
    return WHOLE_VIDEO_AUDIO_FIELD if path.startswith("audio[") else _form_field_name(path)


def to_lecture_request(received: ReceivedForm, principal: Principal) -> ParsedForm:
    """As `to_job_request`, for a lecture."""
    texts, problems = received.texts, _form_problems(received, principal)
    raw: dict[str, object] = {
        name: texts[name] for name in ("display_name", "options", "callback_url") if name in texts
    }
    if speech := {name: texts[name] for name in ("language", "without_speech") if texts.get(name)}:
        if texts.get("options"):
            message = "is a part of options, which is given too; give it there"
            problems += [FieldError(name, message, ProblemCode.DUPLICATE) for name in speech]
        raw["options"] = {"speech": speech}
    raw["video"] = received.video.upload.stored.uri if received.video else _PLACEHOLDER_URI
    raw["user_id"] = principal.user_id
    request = None
    try:
        request = parse_lecture(raw)
    except InvalidRequest as error:
        problems += [replace(item, path=_form_field_name(item.path)) for item in error.errors]
    if request is None or problems:
        raise validation_error(problems)
    return ParsedForm(request)


def client_file_name(received: ReceivedForm) -> str | None:
    """The client's own name of the video, without folders, to show it in lists; never used in a path."""
    name = received.video.name if received.video else ""
    return truncate_name(PurePath(name.replace("\\", "/")).name) or None


def _form_problems(received: ReceivedForm, principal: Principal) -> list[FieldError]:
    """The problems so far, with those that every form may have."""
    problems = [*received.problems, *owner_errors(received.texts, principal)]
    if received.video is None and not any(item.path == "file" for item in problems):
        problems.append(FieldError("file", "is required: send the video", ProblemCode.REQUIRED))
    return problems


def owner_errors(texts: Mapping[str, str], principal: Principal) -> list[FieldError]:
    """A form may name its user, but no other one."""
    if texts.get("user_id", principal.user_id) == principal.user_id:
        return []
    return [FieldError("user_id", "is not the user of your token; leave it out", ProblemCode.WRONG_USER)]


def _assign_ref_ids(sounds: Sequence[UploadedFile], declared_ids: Sequence[str]) -> list[str]:
    """By file name where that is a refId; the others in the order in which segments first name their refIds."""
    index_by_ref_id: dict[str, int] = {}  # the file's index by its refId
    for index, sound in enumerate(sounds):
        found = [
            name for name in (sound.name, file_stem(sound.name)) if name in declared_ids and name not in index_by_ref_id
        ]
        if found:
            index_by_ref_id[found[0]] = index
    by_index = {index: name for name, index in index_by_ref_id.items()}
    others = iter([name for name in declared_ids if name not in index_by_ref_id])
    return [by_index.get(index) or next(others, f"audio-{index + 1}") for index in range(len(sounds))]


def _speech_errors(speech: str, received: ReceivedForm, form: EditorForm) -> list[FieldError]:
    """Forgotten segments must not buy lip-sync for the whole video: a form without them has to say what it means."""
    if speech not in ("", "segments", "whole_video", "none"):
        return [FieldError("speech", "must be one of segments, whole_video or none", ProblemCode.INVALID_CHOICE)]
    if speech in ("", "segments"):
        message = "is required: give a list with at least one entry"
        return [FieldError("segments_data", message, ProblemCode.REQUIRED)] if is_empty_list(form.segments) else []
    problems = []
    if not is_empty_list(form.segments):
        problems.append(FieldError("segments_data", f"must be empty with speech {speech}", ProblemCode.TOO_MANY))
    if speech == "none" and received.audio:
        problems.append(FieldError("audio_files", "must be empty with speech none", ProblemCode.FILE_COUNT))
    if speech == "whole_video" and len(received.audio) != 1:
        message = f"one is required with speech whole_video; the form has {len(received.audio)}"
        problems.append(FieldError("audio_files", message, ProblemCode.FILE_COUNT))
    return problems


def _audio_count_errors(received: ReceivedForm, form: EditorForm) -> list[FieldError]:
    """An error with both numbers if they differ: files cannot be assigned to refIds then."""
    sent, expected = len(received.audio), len(form.ref_ids)
    if (
        not form.all_segments_named
        or sent == expected
        or any(item.path.startswith("audio_files") for item in received.problems)
    ):
        return []
    message = f"one is required for each refId of the segments, and these have {expected}; the form has {sent}"
    message += ". Send them in the order in which the segments first name them"
    return [FieldError("audio_files", message, ProblemCode.FILE_COUNT)]


def to_form_error(error: InvalidRequest) -> ApiError:
    """The errors of a request that was made from a form, under the form's field names."""
    return validation_error([replace(item, path=_form_field_name(item.path)) for item in error.errors])


def _form_field_name(path: str) -> str:
    """The form's name of a request field: `audio[0].source` is `audio_files[0]`."""
    if path.startswith("audio["):
        return "audio_files" + path.removeprefix("audio").partition(".")[0]
    for ours, theirs in (("video", "file"), ("segments", "segments_data"), ("audio", "audio_files")):
        if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
            return theirs + path.removeprefix(ours)
    return path


def form_fingerprint(request: JobRequest | LectureRequest, received: ReceivedForm) -> str:
    """A hash of the request and the contents of its files; their locations differ each time."""
    files = [received.video, *received.audio]
    plain = to_canonical_json(request)
    plain["video"], plain["audio"] = "", [item["refId"] for item in plain.get("audio", [])]
    hashes = [file.upload.sha256 for file in files if file]
    return hashlib.sha256(json.dumps([plain, hashes], sort_keys=True).encode()).hexdigest()
