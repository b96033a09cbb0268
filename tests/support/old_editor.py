"""The old editor's frontend as a client: its forms byte by byte, its jobs page, and what it shows its user.

The forms are built by hand, as a browser writes them: the order, the names and the headers of the parts are the
editor's own. No part names a segment, and audio files belong to refIds by their order alone.
"""

import json
import secrets
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

MEDIA_TYPES: Final = {  # as Chromium derives them from file names on Linux
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
    ".mpeg": "video/mpeg",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/x-m4a",
    ".aac": "audio/vnd.dlna.adts",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
}
BROKEN_ANSWER: Final = "Error submitting video. Please try again."
PRO_ONLY: Final = "Only for the Pro tier"  # stands for the editor's own text at 403
RefId = str


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a form, under the name that it has on the user's disk."""

    field: str
    path: Path
    filename: str = ""

    @property
    def name(self) -> str:
        return self.filename or self.path.name

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES.get(Path(self.name).suffix, "application/octet-stream")


@dataclass(frozen=True, slots=True)
class TextPart:
    field: str
    text: str


Part = FilePart | TextPart


def encode_form(parts: Sequence[Part], boundary: str) -> bytes:
    """The form as Chromium writes it."""
    body = b""
    for part in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{part.field}"'.encode()
        if isinstance(part, FilePart):
            name = part.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            body += f'; filename="{name}"\r\nContent-Type: {part.media_type}\r\n\r\n'.encode() + part.path.read_bytes()
        else:
            body += b"\r\n\r\n" + part.text.encode()
        body += b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


@dataclass
class ProEditor:
    """The state of the Pro editor: its video, its segments in the order of its list, and its areas."""

    video: Path
    segments: list[dict[str, Any]] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)
    _audio: dict[RefId, FilePart] = field(default_factory=dict)
    _ref_ids: dict[tuple[str, int], RefId] = field(default_factory=dict)

    def add_segment(
        self,
        start: float,
        end: float,
        audio: Path,
        *,
        name: str = "",
        crop: tuple[float, float] | None = None,
        dropped: bool = False,
    ) -> dict[str, Any]:
        """Choose the file `audio`, which the user has under `name`, in the dialog, or drop it onto the timeline."""
        cropped = {"startTime": crop[0], "endTime": crop[1]} if crop else {}
        ref_id = self._ref_id_of(FilePart("audio_files", audio, name), "_" if dropped else "-")
        segment = {"startTime": start, "endTime": end, "audioInput": {"refId": ref_id, **cropped}}
        self.segments.append(segment)
        self._sort()
        return segment

    def split(self, segment: dict[str, Any], at: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split at the playhead (seconds). Without a crop, the segment's own times are taken for the audio's."""
        start, end, audio = segment["startTime"], segment["endTime"], segment["audioInput"]
        first, last = audio.get("startTime", start), audio.get("endTime", end)
        middle = first + (at - start) / (end - start) * (last - first)
        left = {**segment, "endTime": at, "audioInput": audio | {"startTime": first, "endTime": middle}}
        right = {**segment, "startTime": at, "audioInput": audio | {"startTime": middle, "endTime": last}}
        self.segments.remove(segment)
        self.segments += [left, right]
        self._sort()
        return left, right

    def drag_end(self, segment: dict[str, Any], end: float, crop_end: float) -> None:
        """Only the end of the crop is set."""
        segment["endTime"] = end
        segment["audioInput"]["endTime"] = crop_end

    def drag_start(self, segment: dict[str, Any], by: float) -> None:
        segment["startTime"] += by
        self._shift_crop(segment, by)

    def drag_body(self, segment: dict[str, Any], by: float) -> None:
        """The list keeps its order."""
        segment["endTime"] += by
        self.drag_start(segment, by)

    def add_area(self, kind: str, start: float, end: float, x: float, y: float, width: float, height: float) -> None:
        """Seconds of the source, and fractions of the picture."""
        region = {"x": x, "y": y, "width": width, "height": height}
        self.effects.append({"type": kind, "startTime": start, "endTime": end, "region": region})

    def form(self) -> list[Part]:
        """One audio for each distinct refId, in the order in which the list names them first."""
        ref_ids = dict.fromkeys(segment["audioInput"]["refId"] for segment in self.segments)
        parts: list[Part] = [FilePart("file", self.video), TextPart("display_name", f"Pro Video - {self.video.name}")]
        parts += [self._audio[ref_id] for ref_id in ref_ids]
        parts.append(TextPart("segments_data", to_js_json(self.segments)))
        return parts + effects_part(self.effects)

    def _ref_id_of(self, file: FilePart, separator: str) -> RefId:
        """The same name and size give the same refId again."""
        identity = file.name, file.path.stat().st_size
        if identity not in self._ref_ids:
            tail = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(9))
            ref_id = separator.join(("audio", str(time.time_ns() // 1_000_000), tail))
            self._ref_ids[identity] = ref_id
            self._audio[ref_id] = file
        return self._ref_ids[identity]

    def _shift_crop(self, segment: dict[str, Any], by: float) -> None:
        for name in ("startTime", "endTime"):
            if name in segment["audioInput"]:
                segment["audioInput"][name] += by

    def _sort(self) -> None:
        self.segments.sort(key=lambda segment: float(segment["startTime"]))


def effects_part(effects: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Absent without areas."""
    return [TextPart("effects", to_js_json(effects))] if effects else []


def to_js_json(value: object) -> str:
    """As `JSON.stringify`: no spaces, no escapes of letters, 12 rather than 12.0."""
    return json.dumps(_whole_numbers(value), separators=(",", ":"), ensure_ascii=False)


def _whole_numbers(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _whole_numbers(item) for name, item in value.items()}
    return [_whole_numbers(item) for item in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True, slots=True)
class OldEditor:
    """A user's browser with the old frontend. `http` has the origin of the API as its base, and no credentials."""

    http: httpx.AsyncClient
    token: str

    async def submit_pro(self, editor: ProEditor) -> httpx.Response:
        return await self.post_form("/video-editors/pro-sync-process", editor.form())

    async def submit_basic(
        self, video: Path, audio: Path | None = None, effects: Sequence[Mapping[str, Any]] = ()
    ) -> httpx.Response:
        """With an audio file, the address is another one."""
        address = "/video-editors/sync-process" if audio else "/jobs/direct-process"
        parts: list[Part] = [FilePart("file", video), TextPart("display_name", f"Video Processing - {video.name}")]
        parts += [FilePart("audio", audio)] if audio else []
        return await self.post_form(address, parts + effects_part(effects))

    async def submit_batch(self, videos: Sequence[FilePart]) -> httpx.Response:
        return await self.post_form("/jobs/batch-process", videos)

    async def list_jobs(self, page_size: int = 10, page: int = 1, status: str = "") -> httpx.Response:
        """The jobs page asks for this every five seconds."""
        query = f"page_size={page_size}"
        query += f"&page={page}" if page > 1 else ""
        query += f"&status_filter={status}" if status else ""
        return await self.call("GET", f"/jobs/?{query}")

    async def find_row(self, job_id: str) -> dict[str, Any]:
        """The job's row in the list, on whichever page it is."""
        page = 1
        while rows := (await self.list_jobs(50, page)).raise_for_status().json()["jobs"]:
            for row in rows:
                if row["id"] == job_id:
                    return dict(row)
            page += 1
        raise LookupError(f"{job_id} is on no page of the list")

    async def call(self, method: str, path: str) -> httpx.Response:
        """A call of axios."""
        headers = {"Accept": "application/json, text/plain, */*"} | self._authorization
        return await self.http.request(method, f"/api/v1{path}", headers=headers)

    async def post_form(self, path: str, parts: Sequence[Part]) -> httpx.Response:
        """A call of `fetch`."""
        boundary = f"----WebKitFormBoundary{secrets.token_hex(8)}"
        headers = {"Accept": "*/*", "Content-Type": f"multipart/form-data; boundary={boundary}"} | self._authorization
        return await self.http.post(f"/api/v1{path}", content=encode_form(parts, boundary), headers=headers)

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def shown_error(answer: httpx.Response) -> str | None:
    """The text of the alert after a submission; None if the editor goes on to the jobs page."""
    if answer.is_success:
        return None
    if answer.status_code == httpx.codes.FORBIDDEN:
        return PRO_ONLY
    try:
        body = answer.json()
    except ValueError:
        return BROKEN_ANSWER
    return "Submission failed: " + _js_text(body.get("detail") or body.get("message") or "Unknown error")


def _js_text(value: object) -> str:
    """How JavaScript joins a value to a text: only text is readable."""
    if isinstance(value, list):
        return ",".join(_js_text(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)
