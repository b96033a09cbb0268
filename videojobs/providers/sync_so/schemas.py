"""Sync.so's data formats: the exact bytes of a generation request, and the vendor's responses.

Form of the request: requirements M3, which the vendor is known to accept. It rejects a request with an unknown field in
a segment. Facts: Sync.so fact sheet, sections 2, 3, 5 and 9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field, FiniteFloat

from videojobs.errors import FieldError, InvalidRequest
from videojobs.providers.schemas import Identifier, Lenient, Text, VendorModel, compact_json, normalize_number
from videojobs.requests.models import SyncMode


@dataclass(frozen=True, slots=True)
class SegmentSpec:
    """A range of the source video and its new audio. All times are seconds.

    `crop_start` and `crop_end` cut the referenced audio; the vendor accepts both or neither.
    """

    start: float
    end: float
    ref_id: str
    crop_start: float | None = None
    crop_end: float | None = None


def build_generation_body(
    *,
    model: str,
    video_url: str,
    audio_urls: Mapping[str, str],
    segments: Sequence[SegmentSpec],
    sync_mode: SyncMode,
    output_file_name: str | None = None,
    webhook_url: str | None = None,
    temperature: float | None = None,
) -> bytes:
    """Build the body of `POST /v2/generate`: equal arguments give equal bytes.

    `audio_urls` maps refId to URL, in the order to send. Without segments the one audio is for the whole video.
    `temperature` (0..1) has an effect for lipsync-2 and lipsync-2-pro only. Raises `InvalidRequest` for a segment whose
    audio is missing or whose crop has one end, and for several audio files without segments.
    """
    if problems := _segment_errors(segments, audio_urls):
        raise InvalidRequest(problems)
    audios = [{"type": "audio", "url": url, "refId": ref_id} for ref_id, url in audio_urls.items()]
    body: dict[str, Any] = {"model": model, "input": [{"type": "video", "url": video_url}, *audios]}
    if segments:
        body["segments"] = [_segment_json(segment) for segment in segments]
    body["options"] = {"sync_mode": sync_mode}
    if temperature is not None:
        body["options"]["temperature"] = normalize_number(temperature)
    if output_file_name is not None:
        body["outputFileName"] = output_file_name
    if webhook_url is not None:
        body["webhookUrl"] = webhook_url
    return compact_json(body).encode()


def _segment_errors(segments: Sequence[SegmentSpec], audio_urls: Mapping[str, str]) -> list[FieldError]:
    problems = []
    if not segments and len(audio_urls) != 1:
        problems.append(FieldError("audio", f"without segments there has to be one audio file, not {len(audio_urls)}"))
    for index, segment in enumerate(segments):
        path = f"segments[{index}].audioInput"
        if segment.ref_id not in audio_urls:
            problems.append(FieldError(f"{path}.refId", f"there is no audio {segment.ref_id!r}"))
        if (segment.crop_start is None) != (segment.crop_end is None):
            problems.append(FieldError(path, "give both startTime and endTime, or neither"))
    return problems


def _segment_json(segment: SegmentSpec) -> dict[str, Any]:
    audio: dict[str, Any] = {"refId": segment.ref_id}
    if segment.crop_start is not None and segment.crop_end is not None:
        audio |= {"startTime": normalize_number(segment.crop_start), "endTime": normalize_number(segment.crop_end)}
    return {"startTime": normalize_number(segment.start), "endTime": normalize_number(segment.end), "audioInput": audio}


class Generation(VendorModel):
    """A generation, as in every response and webhook. Its links are permissions: they show in no repr."""

    id: Identifier
    status: Text = None
    created_at: Lenient[datetime] = None
    model: Text = None
    input: Lenient[list[dict[str, Any]]] = None
    webhook_url: Lenient[str] = None
    output_file_name: Lenient[str] = None
    output_url: Lenient[str] = None  # the older name of output_media_url
    output_media_url: Lenient[str] = None
    output_duration: Lenient[FiniteFloat] = None  # seconds
    error: Text = None
    code: Text = Field(default=None, alias="errorCode")
    webhook_code: Text = Field(default=None, alias="error_code")
    reported_progress: Lenient[FiniteFloat] = Field(default=None, alias="progress_percent")

    @property
    def is_done(self) -> bool:
        """There is a result. Its link is `result_url`, or a fresh one from `SyncSoClient.download_url`."""
        return self._normalized_status == "COMPLETED"

    @property
    def is_failed(self) -> bool:
        """There will be no result. An unknown status is a failure only if it comes with an error."""
        if self._normalized_status in ("FAILED", "REJECTED"):
            return True
        known = self._normalized_status in ("PENDING", "PROCESSING", "COMPLETED")
        return not known and bool(self.error or self.failure_code)

    @property
    def is_running(self) -> bool:
        """The vendor is still processing it, as far as it reports."""
        return not (self.is_done or self.is_failed)

    @property
    def failure_code(self) -> str | None:
        """The vendor's error code, in either spelling (the API's, the webhook's)."""
        return self.code or self.webhook_code

    @property
    def failure_text(self) -> str:
        """Why there is no result, with the vendor's code; empty unless the generation failed."""
        if not self.is_failed:
            return ""
        refused = "rejected before it ran (moderation or plan limits)" if self._normalized_status == "REJECTED" else ""
        text = self.error or refused or f"ended as {self.status} without a reason"
        return f"{text} ({self.failure_code})" if self.failure_code else text

    @property
    def result_url(self) -> str | None:
        """Link to the result, None until there is one. Its lifetime is not documented: copy the result at once."""
        return self.output_media_url or self.output_url or None

    @property
    def progress_percent(self) -> float | None:
        """0..100, if it was requested and the vendor reported it."""
        return None if self.reported_progress is None else min(max(self.reported_progress, 0.0), 100.0)

    @property
    def _normalized_status(self) -> str:
        return (self.status or "").upper()


class GenerationEstimate(VendorModel):
    """The vendor's estimate; None where it gives none."""

    frames: Lenient[int] = Field(default=None, alias="estimatedFrameCount")
    cost_usd: Lenient[Decimal] = Field(default=None, alias="estimatedGenerationCost")
    credits: Lenient[Decimal] = Field(default=None, alias="estimatedCredits")


class ErrorResponse(VendorModel):
    """The body of a response that is not 2xx. Decide by `code`, never by `message`."""

    message: Text = None  # one text, or a list of them
    error: Text = None
    code: Text = Field(default=None, alias="errorCode")
    suggestion: Text = None
    field: Text = None
    request_id: Text = None
    generation_id: Lenient[Identifier] = None
    retry_after_seconds: Lenient[FiniteFloat] = None
