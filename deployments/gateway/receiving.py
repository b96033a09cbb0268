"""Takes in the form of the old endpoints: files go on into the storage as they come, fields are kept.

What is wrong with a field or a file is collected, so that the client hears all of it at once; what is too large, too
slow or no form ends the request there.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from fastapi import Request

from deployments.gateway.forms import Content, Event, Form, PartBegins, PartEnds
from deployments.gateway.incoming import Arrived, Incoming, Room
from deployments.gateway.pace import paced
from deployments.gateway.problems import Refused
from deployments.gateway.settings import Door
from videojobs.errors import Problem
from videojobs.media.beginnings import ENOUGH, container_of
from videojobs.media.store import ObjectStore, audio_key, content_type, video_key
from videojobs.settings import Limits
from videojobs.wording import on_show

VIDEO: Final = "file"
AUDIO: Final = "audio_files"
TEXTS: Final = ("segments_data", "effects", "options", "display_name", "user_id")
_SPARE_PARTS: Final = 16  # beside the files: each field once, and what a client sends by mistake


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that has come, where it is, and what the client calls it."""

    name: str
    arrived: Arrived


@dataclass(slots=True)
class Received:
    """The form as far as it was good."""

    texts: dict[str, str] = field(default_factory=dict)
    video: SentFile | None = None
    audio: list[SentFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    """The file that is coming."""

    path: str  # as problems name it
    name: str
    is_video: bool
    most: int  # bytes
    head: bytes = b""
    size: int = 0
    incoming: Incoming | None = None  # None before its head is known, and where nothing of it is wanted
    is_refused: bool = False


@dataclass(slots=True)
class _Text:
    name: str
    content: bytearray = field(default_factory=bytearray)


class Reception:
    """Of one form. `receive` takes it in; `undo` removes what came of it, whatever happened before."""

    def __init__(self, room: Room, store: ObjectStore, door: Door, *, user_id: str, job_id: str) -> None:
        self._room, self._store, self._door = room, store, door
        self._user_id, self._job_id = user_id, job_id
        self._limits = Limits()
        self._received = Received()
        self._files: list[Incoming] = []  # all of them, for `undo`
        self._current: _File | _Text | None = None
        self._parts = self._sounds = self._text_bytes = 0

    async def receive(self, request: Request) -> Received:
        """Raises a refusal (400, 408, 413, 415)."""
        form = Form(request.headers.get("content-type", ""))
        if int(request.headers.get("content-length", "0")) > self._door.form_bytes:
            raise self._too_large("the form", self._door.form_bytes)
        async for piece in self._pieces(request):
            await self._room.turn()
            for event in form.feed(piece):
                await self._take(event)
        form.close()
        return self._received

    async def undo(self) -> None:
        """Leave nothing of it in the storage."""
        while self._files:
            await self._files[-1].abort()
            self._files.pop()

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        total = 0
        async for piece in paced(request.stream(), self._door, time.monotonic):
            total += len(piece)
            if total > self._door.form_bytes:
                raise self._too_large("the form", self._door.form_bytes)
            yield piece

    async def _take(self, event: Event) -> None:
        match event:
            case PartBegins():
                self._begin(event)
            case Content(data) if isinstance(self._current, _File):
                await self._write(self._current, data)
            case Content(data) if isinstance(self._current, _Text):
                self._add(self._current, data)
            case PartEnds() if isinstance(self._current, _File):
                await self._finish(self._current)
            case PartEnds() if isinstance(self._current, _Text):
                self._keep(self._current)

    def _begin(self, part: PartBegins) -> None:
        self._parts += 1
        if self._parts > self._limits.max_segments + _SPARE_PARTS:
            raise Refused(413, f"The form has too many parts; {self._limits.max_segments} audio files are taken here.")
        self._current = None
        if part.name == VIDEO:
            self._current = _File(VIDEO, part.file_name, True, self._limits.max_video_bytes)
        elif part.name == AUDIO:
            path = f"{AUDIO}[{self._sounds}]"
            self._sounds += 1
            self._current = _File(path, part.file_name, False, self._limits.max_audio_bytes)
        elif part.name in TEXTS:
            self._current = _Text(part.name)
        else:
            fields = ", ".join((VIDEO, AUDIO, *TEXTS))
            self._complain(on_show(part.name), f"is not a field of this form; remove it. The fields are {fields}")

    # ---- fields ------------------------------------------------------------------------------------------

    def _add(self, text: _Text, data: bytes) -> None:
        self._text_bytes += len(data)
        if self._text_bytes > self._door.json_bytes:
            raise self._too_large(text.name, self._door.json_bytes)
        text.content += data

    def _keep(self, text: _Text) -> None:
        if text.name in self._received.texts:
            self._complain(text.name, "is given twice; give it once")
        try:
            self._received.texts[text.name] = text.content.decode()
        except UnicodeDecodeError:
            self._received.texts[text.name] = ""
            self._complain(text.name, "is not valid UTF-8; encode it as UTF-8")

    # ---- files -------------------------------------------------------------------------------------------

    async def _write(self, file: _File, data: bytes) -> None:
        file.size += len(data)
        if file.size > file.most:
            raise self._too_large(file.path, file.most)
        if file.is_refused:
            return
        if file.incoming is None:
            file.head += data
            if len(file.head) < ENOUGH:
                return
            self._open(file)
            data, file.head = file.head, b""
        if file.incoming is not None:
            await file.incoming.write(data)

    def _open(self, file: _File) -> None:
        """Decide by its first bytes whether the file is wanted."""
        container = container_of(file.head)
        wanted = self._limits.video_containers if file.is_video else self._limits.audio_containers
        if file.is_video and self._received.video is not None:
            self._refuse(file, "is given twice; a job has one video")
        elif container is None or container not in wanted:
            names = ", ".join(sorted(name.upper() for name in wanted))
            what = "a video" if file.is_video else "a sound file"
            self._refuse(file, f"does not begin like {what} that is taken here; send one of {names}")
        else:
            key = video_key if file.is_video else self._audio_key
            kind = content_type(container, sound=not file.is_video)
            file.incoming = Incoming(
                self._room, self._user_id, self._store, key(self._user_id, self._job_id, container), kind
            )
            self._files.append(file.incoming)

    def _audio_key(self, user_id: str, job_id: str, container: str) -> str:
        """By its number: what the client calls it names nothing here."""
        return audio_key(user_id, job_id, f"audio-{self._sounds}", container)

    async def _finish(self, file: _File) -> None:
        if file.incoming is not None:
            sent = SentFile(file.name, await file.incoming.finish())
            if file.is_video:
                self._received.video = sent
            else:
                self._received.audio.append(sent)
        elif (file.size or file.name) and not file.is_refused:  # a file that nobody chose in a browser has neither
            self._complain(file.path, "is empty, or too short to be anything; send the whole file")

    def _refuse(self, file: _File, message: str) -> None:
        file.is_refused = True
        self._complain(file.path, message)

    def _complain(self, path: str, message: str) -> None:
        self._received.problems.append(Problem(path, message))

    def _too_large(self, path: str, most: int) -> Refused:
        message = f"is too large; at most {most} bytes are taken here"
        return Refused(413, f"{path} {message}.".capitalize(), problems=[Problem(path, message)])


def plain_name(name: str) -> str:
    """What a client calls a file, without folders and without its ending. Never a part of a path here."""
    return PurePath(name.replace("\\", "/")).stem
