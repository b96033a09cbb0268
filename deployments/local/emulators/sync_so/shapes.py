"""The shape of a generate request: types and ranges. A wrong shape is a 400 with a list of messages."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from deployments.local.emulators.sync_so.errors import Refusal
from deployments.local.emulators.sync_so.timeline import SyncMode

WEB_ADDRESS = r"^https?://[^\s/]+"
ITEM_TYPES = ("video", "image", "audio", "text")


class Shape(BaseModel):
    """Unknown fields are kept, not refused: whether they matter is a question of meaning, not of shape."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, alias_generator=to_camel, allow_inf_nan=False)


class Options(BaseModel):
    """The one object with snake_case keys. Options that we do not know are ignored, as the vendor does."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    sync_mode: SyncMode | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    occlusion_detection_enabled: bool | None = None


class File(Shape):
    url: Annotated[str, Field(pattern=WEB_ADDRESS)] | None = None
    asset_id: str | None = None
    ref_id: str | None = None

    @model_validator(mode="after")
    def has_a_source(self) -> "File":
        if self.url is None and self.asset_id is None:
            raise ValueError("either url or assetId must be provided")
        return self


class Visual(File):
    type: Literal["video", "image"]


class Audio(File):
    type: Literal["audio"]


class Voice(Shape):
    name: Literal["elevenlabs"]
    voice_id: str
    script: Annotated[str, Field(min_length=1, max_length=5000)]
    stability: Annotated[float, Field(ge=0, le=1)] = 0.5
    similarity_boost: Annotated[float, Field(ge=0, le=1)] = 0.75


class Text(Shape):
    type: Literal["text"]
    provider: Voice
    ref_id: str | None = None


class Crop(Shape):
    ref_id: str
    start_time: float | None = None
    end_time: float | None = None


class Segment(Shape):
    """Seconds of the source video, and the sound that belongs there."""

    start_time: float
    end_time: float
    audio_input: Crop
    options_override: Options | None = None


class GenerateRequest(Shape):
    model: Annotated[str, Field(min_length=1)]
    input: Annotated[list[Annotated[Visual | Audio | Text, Field(discriminator="type")]], Field(min_length=1)]
    options: Options | None = None
    segments: list[Segment] | None = None
    webhook_url: Annotated[str, Field(pattern=WEB_ADDRESS)] | None = None
    output_file_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,255}$")] | None = None
    project_id: Annotated[UUID, Field(strict=False)] | None = None
    dub_params: dict[str, Any] | None = None

    def visuals(self) -> list[Visual]:
        return [item for item in self.input if isinstance(item, Visual)]

    def sounds(self) -> list[Audio | Text]:
        return [item for item in self.input if isinstance(item, Audio | Text)]

    def mode_of(self, segment: Segment | None) -> SyncMode:
        """The effective `sync_mode`: the segment's own, else the request's, else bounce."""
        own = segment.options_override.sync_mode if segment and segment.options_override else None
        return own or (self.options.sync_mode if self.options else None) or "bounce"


def read_request(body: object) -> GenerateRequest:
    """The request in typed form. Raises Refusal 400 with one message per wrong field."""
    try:
        return GenerateRequest.model_validate(body)
    except ValidationError as error:
        messages = [f"{_path(item['loc'])} {item['msg']}".strip() for item in error.errors()]
        raise Refusal(400, messages) from error


def _path(location: tuple[int | str, ...]) -> str:
    """`input.0.url`: without the item type that pydantic puts after the number."""
    steps = [
        str(step)
        for before, step in zip((None, *location), location, strict=False)
        if not (step in ITEM_TYPES and isinstance(before, int))
    ]
    return ".".join(steps)
