"""Receives a form: files are streamed to the storage, text fields are kept.

Problems of fields and files are collected, so that the client gets all of them at once. A form that is too large, too
slow or malformed ends the request immediately.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import Final

from fastapi import Request

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from deployments.api.uploads.form_parser import MultipartEvent, MultipartReader, PartData, PartEnd, PartStart
from deployments.api.uploads.s3_stream import StoredUpload, StreamingUpload, UploadPool
from deployments.api.uploads.throttle import enforce_min_rate
from videojobs.errors import FieldError, ProblemCode
from videojobs.lecture.settings import LectureSettings
from videojobs.media.sniff import SNIFF_BYTES, sniff_container
from videojobs.requests.media_rules import video_limits
from videojobs.settings import LimitSettings
from videojobs.states import Stage
from videojobs.storage.object_store import ObjectStore, audio_key, content_type, video_key
from videojobs.text import safe_display

VIDEO_FIELD: Final = "file"
AUDIO_FIELD: Final = "audio_files"
WHOLE_VIDEO_AUDIO_FIELD: Final = "audio"
_COMMON_TEXT_FIELDS: Final = ("display_name", "user_id", "callback_url")
TEXT_FIELDS: Final = ("segments_data", "effects", "speech", "text_removal", "options", *_COMMON_TEXT_FIELDS)
LECTURE_TEXT_FIELDS: Final = ("options", "language", "without_speech", *_COMMON_TEXT_FIELDS)
BASIC_TEXT_FIELDS: Final = ("effects", *_COMMON_TEXT_FIELDS)
_EXTRA_PARTS: Final = 16  # besides the files: each field once, and some sent by mistake


class JobForm(StrEnum):
    """The forms that create a job from its files."""

    PRO_VIDEO = "pro_video"  # segments with their audio, and areas
    WHOLE_VIDEO = "whole_video"  # one audio for the whole video, then text removal
    TEXT_REMOVAL = "text_removal"  # text removal alone
    LECTURE = "lecture"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A received file: where it is stored, and the client's name for it."""

    name: str
    upload: StoredUpload


@dataclass(frozen=True, slots=True)
class FormSpec:
    """The fields that a form may have, and the videos that it accepts."""

    text_fields: tuple[str, ...]
    audio_field: str | None  # None: the form has no audio
    max_video_bytes: int
    containers: frozenset[str]
    video_field: str = VIDEO_FIELD

    @classmethod
    def for_form(cls, form: JobForm) -> "FormSpec":
        """By the current settings."""
        if form is JobForm.LECTURE:
            settings = LectureSettings.current()
            return cls(LECTURE_TEXT_FIELDS, None, settings.max_bytes, settings.containers)
        limits = LimitSettings.current()
        if form is JobForm.TEXT_REMOVAL:
            video = video_limits((Stage.TEXT_REMOVAL,), limits)
            return cls(BASIC_TEXT_FIELDS, None, video.max_bytes, video.containers)
        if form is JobForm.WHOLE_VIDEO:
            return cls(BASIC_TEXT_FIELDS, WHOLE_VIDEO_AUDIO_FIELD, limits.max_video_bytes, limits.video_containers)
        return cls(TEXT_FIELDS, AUDIO_FIELD, limits.max_video_bytes, limits.video_containers)

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.video_field, *([self.audio_field] if self.audio_field else []), *self.text_fields)


@dataclass(slots=True)
class ReceivedForm:
    """The valid parts of a form, and the problems of the others."""

    texts: dict[str, str] = field(default_factory=dict)
    video: UploadedFile | None = None
    audio: list[UploadedFile] = field(default_factory=list)
    problems: list[FieldError] = field(default_factory=list)


@dataclass(slots=True)
class IncomingFile:
    """The file that is being received."""

    path: str  # as problems name it
    name: str
    is_video: bool
    max_bytes: int  # bytes
    head: bytes = b""
    size: int = 0
    upload: StreamingUpload | None = None  # None until enough bytes are known, and for a rejected file
    is_rejected: bool = False


@dataclass(slots=True)
class _TextField:
    name: str
    content: bytearray = field(default_factory=bytearray)


class FormReceiver:
    """Receives one form. `discard` deletes everything that it stored, whatever happened before."""

    def __init__(
        self, pool: UploadPool, store: ObjectStore, settings: ApiSettings, *, user_id: str, job_id: str, spec: FormSpec
    ) -> None:
        self._spec = spec
        self._pool, self._store, self._settings = pool, store, settings
        self._user_id, self._job_id = user_id, job_id
        self._limits = LimitSettings.current()
        self._received = ReceivedForm()
        self._uploads: list[StreamingUpload] = []  # all of them, for `discard`
        self._current: IncomingFile | _TextField | None = None
        self._part_count = self._audio_count = self._text_bytes = 0

    async def receive(self, request: Request) -> ReceivedForm:
        """Raises ApiError (400, 408, 413, 415)."""
        form = MultipartReader(request.headers.get("content-type", ""))
        if int(request.headers.get("content-length", "0")) > self._settings.max_form_bytes:
            raise self._too_large_error("the form", self._settings.max_form_bytes)
        async for piece in self._read_chunks(request):
            await self._pool.yield_turn()
            for event in form.feed(piece):
                await self._handle_event(event)
        form.close()
        return self._received

    async def discard(self) -> None:
        """Delete everything that the form stored."""
        while self._uploads:
            await self._uploads[-1].abort()
            self._uploads.pop()

    async def _read_chunks(self, request: Request) -> AsyncIterator[bytes]:
        total = 0
        async for piece in enforce_min_rate(request.stream(), self._settings, time.monotonic):
            total += len(piece)
            if total > self._settings.max_form_bytes:
                raise self._too_large_error("the form", self._settings.max_form_bytes)
            yield piece

    async def _handle_event(self, event: MultipartEvent) -> None:
        match event:
            case PartStart():
                await self._start_part(event)
            case PartData(data) if isinstance(self._current, IncomingFile):
                await self._write_file(self._current, data)
            case PartData(data) if isinstance(self._current, _TextField):
                self._append_text(self._current, data)
            case PartEnd() if isinstance(self._current, IncomingFile):
                await self._finish_file(self._current)
            case PartEnd() if isinstance(self._current, _TextField):
                self._store_field(self._current)

    async def _start_part(self, part: PartStart) -> None:
        self._part_count += 1
        if self._part_count > self._limits.max_segments + _EXTRA_PARTS:
            raise ApiError(413, f"The form has too many parts; the limit is {self._limits.max_segments} audio files.")
        self._current = None
        if part.name == self._spec.video_field:
            self._current = await self._start_video(part)
        elif part.name == WHOLE_VIDEO_AUDIO_FIELD == self._spec.audio_field:
            self._audio_count += 1
            self._current = IncomingFile(part.name, part.file_name, False, self._limits.max_audio_bytes)
            if self._audio_count > 1:
                message = "is given twice; this form takes one audio file for the whole video"
                self._reject_file(self._current, message, ProblemCode.DUPLICATE)
        elif part.name == AUDIO_FIELD == self._spec.audio_field:
            path = f"{AUDIO_FIELD}[{self._audio_count}]"
            self._audio_count += 1
            self._current = IncomingFile(path, part.file_name, False, self._limits.max_audio_bytes)
        elif part.name in self._spec.text_fields:
            self._current = _TextField(part.name)
        else:
            fields = ", ".join(self._spec.fields)
            message = f"is not a field of this form; remove it. The fields are {fields}"
            self._add_error(safe_display(part.name), message, ProblemCode.UNKNOWN_FIELD)

    async def _start_video(self, part: PartStart) -> "IncomingFile":
        return IncomingFile(part.name, part.file_name, True, self._spec.max_video_bytes)

    # ---- fields ------------------------------------------------------------------------------------------

    def _append_text(self, text: _TextField, data: bytes) -> None:
        self._text_bytes += len(data)
        if self._text_bytes > self._settings.max_json_bytes:
            raise self._too_large_error(text.name, self._settings.max_json_bytes)
        text.content += data

    def _store_field(self, text: _TextField) -> None:
        if text.name in self._received.texts:
            self._add_error(text.name, "is given twice; give it once", ProblemCode.DUPLICATE)
        try:
            self._received.texts[text.name] = text.content.decode()
        except UnicodeDecodeError:
            self._received.texts[text.name] = ""
            self._add_error(text.name, "is not valid UTF-8; encode it as UTF-8", ProblemCode.INVALID_FORMAT)

    # ---- files -------------------------------------------------------------------------------------------

    async def _write_file(self, file: IncomingFile, data: bytes) -> None:
        file.size += len(data)
        if file.size > file.max_bytes and not file.is_rejected:
            await self._handle_oversized(file)
        if file.is_rejected:
            return
        if file.upload is None:
            file.head += data
            if len(file.head) < SNIFF_BYTES:
                return
            self._start_upload(file)
            data, file.head = file.head, b""
        if file.upload is not None:
            await file.upload.write(data)

    async def _handle_oversized(self, file: IncomingFile) -> None:
        """The rest of the form need not be received."""
        raise self._too_large_error(file.path, file.max_bytes)

    def _start_upload(self, file: IncomingFile) -> None:
        """Accept or reject the file by its first bytes."""
        container = sniff_container(file.head)
        accepted_containers = self._spec.containers if file.is_video else self._limits.audio_containers
        if file.is_video and self._received.video is not None:
            self._reject_file(file, "is given twice; a job has one video", ProblemCode.DUPLICATE)
        elif container is None or container not in accepted_containers:
            names = ", ".join(sorted(name.upper() for name in accepted_containers))
            expected = "a video" if file.is_video else "an audio file"
            message = f"is not {expected} in a supported format; send one of {names}"
            self._reject_file(file, message, ProblemCode.UNSUPPORTED_FORMAT)
        else:
            key = video_key if file.is_video else self._audio_key
            media_type = content_type(container, audio_only=not file.is_video)
            file.upload = StreamingUpload(
                self._pool, self._user_id, self._store, key(self._user_id, self._job_id, container), media_type
            )
            self._uploads.append(file.upload)

    def _audio_key(self, user_id: str, job_id: str, container: str) -> str:
        """Named by number: the client's file name is not used."""
        return audio_key(user_id, job_id, f"audio-{self._audio_count}", container)

    async def _finish_file(self, file: IncomingFile) -> None:
        if file.upload is not None:
            uploaded = UploadedFile(file.name, await file.upload.finish())
            if file.is_video:
                self._received.video = uploaded
            else:
                self._received.audio.append(uploaded)
        elif (file.size or file.name) and not file.is_rejected:  # an empty file input of a browser has neither
            self._reject_file(file, "is empty or too short; send the whole file", ProblemCode.TOO_SHORT)

    def _reject_file(self, file: IncomingFile, message: str, code: ProblemCode) -> None:
        file.is_rejected = True
        self._add_error(file.path, message, code)

    def _add_error(self, path: str, message: str, code: ProblemCode) -> None:
        self._received.problems.append(FieldError(path, message, code))

    def _too_large_error(self, path: str, max_bytes: int) -> ApiError:
        message = f"is too large; the limit is {max_bytes} bytes"
        problem = FieldError(path, message, ProblemCode.TOO_LARGE)
        return ApiError(413, f"{path} {message}.".capitalize(), problems=[problem])


def file_stem(name: str) -> str:
    """The client's file name without folders and extension. Never used in a path."""
    return PurePath(name.replace("\\", "/")).stem
