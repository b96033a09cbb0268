"""The schema of a generate request: types and ranges. A violation is a 400 with a list of messages."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from deployments.local.emulators.sync_so.errors import VendorApiError
from deployments.local.emulators.sync_so.timeline import SyncMode

URL_PATTERN = r"^https?://[^\s/]+"
ITEM_TYPES = ("video", "image", "audio", "text")


class RequestModel(BaseModel):
    """Keeps unknown fields: `validation` decides about them, not the schema."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, alias_generator=to_camel, allow_inf_nan=False)


class SyncOptions(BaseModel):
    """The only object with snake_case keys. Ignores unknown options, as the vendor does."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    sync_mode: SyncMode | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    occlusion_detection_enabled: bool | None = None


class MediaInput(RequestModel):
    url: Annotated[str, Field(pattern=URL_PATTERN)] | None = None
    asset_id: str | None = None
    ref_id: str | None = None

    @model_validator(mode="after")
    def require_source(self) -> "MediaInput":
        if self.url is None and self.asset_id is None:
            raise ValueError("either url or assetId must be provided")
        return self


class VisualInput(MediaInput):
    type: Literal["video", "image"]


class AudioInput(MediaInput):
    type: Literal["audio"]


class TextProvider(RequestModel):
    name: Literal["elevenlabs"]
    voice_id: str
    script: Annotated[str, Field(min_length=1, max_length=5000)]
    stability: Annotated[float, Field(ge=0, le=1)] = 0.5
    similarity_boost: Annotated[float, Field(ge=0, le=1)] = 0.75


class TextInput(RequestModel):
    type: Literal["text"]
    provider: TextProvider
    ref_id: str | None = None


class AudioReference(RequestModel):
    ref_id: str
    start_time: float | None = None
    end_time: float | None = None


class Segment(RequestModel):
    """Seconds of the source video, and their new audio."""

    start_time: float
    end_time: float
    audio_input: AudioReference
    options_override: SyncOptions | None = None


class GenerateRequest(RequestModel):
    model: Annotated[str, Field(min_length=1)]
    input: Annotated[
        list[Annotated[VisualInput | AudioInput | TextInput, Field(discriminator="type")]], Field(min_length=1)
    ]
    options: SyncOptions | None = None
    segments: list[Segment] | None = None
    webhook_url: Annotated[str, Field(pattern=URL_PATTERN)] | None = None
    output_file_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,255}$")] | None = None
    project_id: Annotated[UUID, Field(strict=False)] | None = None
    dub_params: dict[str, Any] | None = None

    def visual_inputs(self) -> list[VisualInput]:
        return [item for item in self.input if isinstance(item, VisualInput)]

    def audio_inputs(self) -> list[AudioInput | TextInput]:
        return [item for item in self.input if isinstance(item, AudioInput | TextInput)]

    def sync_mode_for(self, segment: Segment | None) -> SyncMode:
        """The effective `sync_mode`: the segment's own, else the request's, else bounce."""
        own = segment.options_override.sync_mode if segment and segment.options_override else None
        return own or (self.options.sync_mode if self.options else None) or "bounce"


def parse_request(body: object) -> GenerateRequest:
    """The request in typed form. Raises VendorApiError 400 with one message per invalid field."""
    try:
        return GenerateRequest.model_validate(body)
    except ValidationError as error:
        messages = [f"{_format_location(item['loc'])} {item['msg']}".strip() for item in error.errors()]
        raise VendorApiError(400, messages) from error


def _format_location(location: tuple[int | str, ...]) -> str:
    """`input.0.url`: without the item type that pydantic adds after the index."""
    steps = [
        str(step)
        for before, step in zip((None, *location), location, strict=False)
        if not (step in ITEM_TYPES and isinstance(before, int))
    ]
    return ".".join(steps)
