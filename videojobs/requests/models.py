"""Models of a job request.

The models give the shape; Prefect renders its parameter form from their titles and descriptions. Requests are parsed by
`videojobs.requests.parsing`, which also applies the rules between fields (`videojobs.requests.field_rules`). Rules that
need facts of the media are in `videojobs.requests.media_rules`.
"""
# ruff: noqa: N815 - the public names are camelCase, as in the first vendor's API

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from videojobs.errors import FieldError, InvalidRequest, ProblemCode
from videojobs.states import Stage, Stages
from videojobs.webhooks.url_rules import MAX_URL_LENGTH

LipSyncModel = Literal["lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta", "sync-3"]
SyncMode = Literal["remap", "bounce", "loop", "cut_off", "silence"]
InpaintModel = Literal["basic", "advanced_lite", "advanced", "advanced_large_box"]
InpaintLanguage = Literal["all", "zh", "en", "ja", "ko", "ar"]
AreaKind = Literal["erasure", "protection", "text"]
TextRemoval = Literal["areas", "whole_frame"]

REF_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}$"
ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # becomes a part of object keys, so it must be safe in a path
LANGUAGE_PATTERN: Final = r"^[a-z]{2,3}$"
PATTERN_MESSAGES: Final = {
    LANGUAGE_PATTERN: "must be the two or three letters of a language, such as en",
    REF_ID_PATTERN: "must be 1 to 64 letters, digits, - or _",
    ID_PATTERN: "must be 1 to 64 letters, digits, -, _ or ., and start with a letter or a digit",
}


CALLBACK_URL_HELP: Final = (
    "Where the job's events are sent, as signed webhooks: an https address that anyone on the internet can reach. "
    "Operators can read it, so put no secret into it."
)


def to_microseconds(seconds: float) -> float:
    """Far below a frame, and far above float noise: segments that touch must not overlap by 1e-17 s."""
    return round(seconds, 6) + 0.0  # + 0.0 turns -0.0 into 0.0


def _reject_control_chars(text: str) -> str:
    """Postgres rejects NUL, and a name with line breaks would forge log lines."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise PydanticCustomError("control", "must not contain line breaks or other control characters")
    return text


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # strict: neither true nor "1.5" is a number
Seconds = Annotated[Number, Field(ge=0), AfterValidator(to_microseconds)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
SizeFraction = Annotated[Number, Field(ge=0.001, le=1)]  # smaller is less than a pixel, and would be rounded away
_SOURCE_CONSTRAINTS = StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)  # room for a signed link
_LABEL_CONSTRAINTS = StringConstraints(strip_whitespace=True, max_length=200)
Source = Annotated[str, _SOURCE_CONSTRAINTS, AfterValidator(_reject_control_chars)]
Label = Annotated[str, _LABEL_CONSTRAINTS, AfterValidator(_reject_control_chars)]
CallbackUrl = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_URL_LENGTH)]
RefId = Annotated[str, Field(pattern=REF_ID_PATTERN)]


class FrozenModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def form_position(position: int) -> dict[str, Any]:
    """Where Prefect's form shows the field."""
    return {"position": position}


class AudioFile(FrozenModel):
    """One audio file, and the name by which segments refer to it."""

    refId: RefId = Field(
        title="Name",
        description="How segments refer to this file, for example audio-1. Letters, digits, - and _.",
        json_schema_extra=form_position(0),
    )
    source: Source = Field(
        title="File",
        description="Where the audio is: s3://bucket/key or https://..., or a file path on a local stack.",
        json_schema_extra=form_position(1),
    )


class AudioInput(FrozenModel):
    """Which audio a segment speaks, and which part of it."""

    refId: RefId = Field(
        title="Audio name",
        description="The name of one of the audio files, for example audio-1.",
        json_schema_extra=form_position(0),
    )
    startTime: Seconds | None = Field(
        default=None,
        title="Use the audio from (s)",
        description="To use only a part of the audio: the second in the audio file at which the part starts. "
        "Empty where only the end is given: from the audio's beginning.",
        json_schema_extra=form_position(1),
    )
    endTime: Seconds | None = Field(
        default=None,
        title="Use the audio until (s)",
        description="The second in the audio file at which the part ends. "
        "Empty where only the start is given: to the audio's end.",
        json_schema_extra=form_position(2),
    )

    @model_validator(mode="before")
    @classmethod
    def _default_start_to_zero(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.get("endTime") is not None and value.get("startTime") is None:
            return {**value, "startTime": 0.0}
        return value

    def crop_range(self, audio_seconds: float) -> tuple[float, float] | None:
        """Start and end in seconds of the used part of the audio file; None for all of it.

        `audio_seconds`: the length of that file, where a crop without an end ends.
        """
        if self.startTime is None:
            return None
        return self.startTime, audio_seconds if self.endTime is None else self.endTime


class SpeakerBox(FrozenModel):
    """The face that speaks in a segment: a rectangle of the picture in fractions, origin at the top left."""

    x1: Fraction = Field(
        title="Left edge",
        description="Distance of the left edge from the left, as a fraction of the picture's width.",
        json_schema_extra=form_position(0),
    )
    y1: Fraction = Field(
        title="Top edge",
        description="Distance of the top edge from the top, as a fraction of the picture's height.",
        json_schema_extra=form_position(1),
    )
    x2: Fraction = Field(
        title="Right edge",
        description="Distance of the right edge from the left, as a fraction of the picture's width.",
        json_schema_extra=form_position(2),
    )
    y2: Fraction = Field(
        title="Bottom edge",
        description="Distance of the bottom edge from the top, as a fraction of the picture's height.",
        json_schema_extra=form_position(3),
    )
    method: Literal["manual"] = Field(
        default="manual",
        title="How it was found",
        description="manual: a person drew it.",
        json_schema_extra=form_position(4),
    )


class Segment(FrozenModel):
    """A time range of the video that gets its own audio."""

    startTime: Seconds = Field(
        title="Start in the video (s)",
        description="The second of the video at which this audio begins to speak.",
        json_schema_extra=form_position(0),
    )
    endTime: Seconds = Field(
        title="End in the video (s)",
        description="The second of the video at which the segment ends. Segments may touch, not overlap.",
        json_schema_extra=form_position(1),
    )
    audioInput: AudioInput = Field(
        title="Audio", description="What is spoken in this segment.", json_schema_extra=form_position(2)
    )
    label: Label | None = Field(
        default=None,
        title="Label",
        description="Your own name for the segment. It is never sent to a vendor.",
        json_schema_extra=form_position(3),
    )
    speakerBox: SpeakerBox | None = Field(
        default=None,
        title="Speaker",
        description="Where the face is that speaks, if the picture shows several. It is stored and shown; "
        "the lip-sync vendor does not receive it yet, and finds the speaker by itself.",
        json_schema_extra=form_position(4),
    )


class AnnotationArea(FrozenModel):
    """A rectangle of the picture in a time range of the *source* video.

    Fractions of the picture, origin at the top left. Old clients say `type`, `startTime` and `endTime`.
    """

    model_config = ConfigDict(validate_by_name=True)

    kind: AreaKind = Field(
        validation_alias=AliasChoices("kind", "type"),
        title="What to do here",
        description="erasure: erase the whole rectangle. text: erase only the text in it. protection: change nothing "
        "in it.",
        json_schema_extra=form_position(0)
        | {"default": "erasure"},  # the form's initial value; a client has to send one
    )
    x: Fraction = Field(
        title="Left edge",
        description="Distance from the left, as a fraction of the picture's width: 0 is the left edge, 0.5 the middle.",
        json_schema_extra=form_position(1),
    )
    y: Fraction = Field(
        title="Top edge",
        description="Distance from the top, as a fraction of the picture's height: 0 is the top, 0.5 the middle.",
        json_schema_extra=form_position(2),
    )
    w: SizeFraction = Field(
        title="Width",
        description="Width as a fraction of the picture's width. Left edge plus width is at most 1.",
        json_schema_extra=form_position(3),
    )
    h: SizeFraction = Field(
        title="Height",
        description="Height as a fraction of the picture's height. Top edge plus height is at most 1.",
        json_schema_extra=form_position(4),
    )
    start: Seconds = Field(
        validation_alias=AliasChoices("start", "startTime"),
        title="From (s)",
        description="The second of the source video at which the area begins.",
        json_schema_extra=form_position(5),
    )
    end: Seconds = Field(
        validation_alias=AliasChoices("end", "endTime"),
        title="Until (s)",
        description="The second of the source video at which the area ends.",
        json_schema_extra=form_position(6),
    )
    label: Label | None = Field(
        default=None,
        title="Label",
        description="Your own name for the area. It is never sent to a vendor.",
        json_schema_extra=form_position(7),
    )


class Options(FrozenModel):
    """Options for the vendors. The defaults are right for most videos."""

    model: LipSyncModel = Field(
        default="lipsync-2",
        title="Lip-sync model",
        description="Sync.so's model. lipsync-2-pro has more detail and costs more. sync-3 is new: test it before "
        "you rely on it.",
        json_schema_extra=form_position(0),
    )
    sync_mode: SyncMode = Field(
        default="remap",
        title="When audio and segment differ in length",
        description="remap: slow the picture down or speed it up to fit the audio. cut_off: cut to the shorter one. "
        "silence: keep the longer one. loop: repeat the picture. bounce: play it forward and backward.",
        json_schema_extra=form_position(1),
    )
    inpaint_model: InpaintModel = Field(
        default="basic",
        title="Text removal model",
        description="GhostCut's model. basic supports all areas. The advanced ones support only areas of kind text: "
        "advanced_lite up to 10, advanced one below 20 % of the picture, advanced_large_box one below 40 %.",
        json_schema_extra=form_position(2),
    )
    inpaint_language: InpaintLanguage = Field(
        default="all",
        title="Language of the text to remove",
        description="all, or one language. The advanced models support only all.",
        json_schema_extra=form_position(3),
    )


class JobRequest(FrozenModel):
    """One job: lip-sync, text removal, or both. Get it from `videojobs.requests.parsing`: built directly it has the
    right shape, but its rules are unchecked.
    """

    video: Source = Field(
        title="Video",
        description="Where the video is: s3://bucket/key or https://..., or a file path on a local stack.",
        json_schema_extra=form_position(0),
    )
    audio: list[AudioFile] = Field(
        default=[],
        title="Audio files",
        description="Every audio file that a segment uses, each once; without segments, the one audio file for the "
        "whole video. Leave it empty for text removal only.",
        json_schema_extra=form_position(1),
    )
    segments: list[Segment] = Field(
        default=[],
        title="Segments",
        description="The time ranges of the video that get a new audio. The rest of the video stays as it is. "
        "Leave it empty for one audio file over the whole video.",
        json_schema_extra=form_position(2),
    )
    effects: list[AnnotationArea] = Field(
        default=[],
        title="Annotation areas",
        description="Where and when text is removed or protected. Protection alone: text is removed everywhere else. "
        "Empty: lip-sync only.",
        json_schema_extra=form_position(3),
    )
    text_removal: TextRemoval | None = Field(
        default=None,
        title="Text removal",
        description="whole_frame: find and remove text in the whole picture, except in areas of kind protection. "
        "areas, or empty: as the annotation areas say.",
        json_schema_extra=form_position(4),
    )
    display_name: Label | None = Field(
        default=None,
        title="Display name",
        description="The job's name in lists. Any text of up to 200 characters.",
        json_schema_extra=form_position(5),
    )
    user_id: Annotated[str, Field(pattern=ID_PATTERN)] = Field(
        title="User",
        description="Whose job this is; results are stored under this name. "
        "1 to 64 letters, digits, - _ and ., starting with a letter or a digit.",
        json_schema_extra=form_position(6),
    )
    options: Options = Field(
        default=Options(),
        title="Options",
        description="Options for the vendors. The defaults are right for most videos.",
        json_schema_extra=form_position(7),
    )
    callback_url: CallbackUrl | None = Field(
        default=None,
        title="Callback address",
        description=CALLBACK_URL_HELP,
        json_schema_extra=form_position(8),
    )

    @field_validator("display_name", "callback_url", mode="before")
    @classmethod
    def _blank_to_none(cls, value: object) -> object:
        """An HTML form sends an empty field as an empty string."""
        return None if isinstance(value, str) and not value.strip() else value

    @property
    def stages(self) -> Stages:
        """The paid stages that it asks for."""
        return requested_stages({"audio": self.audio, "effects": self.effects, "text_removal": self.text_removal})

    @property
    def removes_whole_frame(self) -> bool:
        """Whether text is removed from the whole picture: asked for, or only protection areas are given."""
        return is_whole_frame(self.text_removal, [area.kind for area in self.effects])


def requested_stages(request: Mapping[str, Any]) -> Stages:
    """The paid stages that a request asks for, by these fields of its stored JSON. Audio means lip-sync."""
    lip_sync = [Stage.LIP_SYNC] if request.get("audio") else []
    text_removal = [Stage.TEXT_REMOVAL] if request.get("effects") or request.get("text_removal") else []
    return (*lip_sync, *text_removal)


def is_whole_frame(text_removal: TextRemoval | None, area_kinds: Iterable[AreaKind]) -> bool:
    """Whether text removal covers the whole picture. Areas of kind protection alone mean all but them."""
    kinds = set(area_kinds)
    return text_removal == "whole_frame" or (text_removal is None and kinds == {"protection"})


def validate_job_id(value: object) -> str:
    """`value`, if it can name a job: it becomes a part of object keys and of vendor titles. Raises InvalidRequest."""
    if isinstance(value, str) and re.fullmatch(ID_PATTERN, value):
        return value
    raise InvalidRequest([FieldError("job_id", PATTERN_MESSAGES[ID_PATTERN], ProblemCode.INVALID_FORMAT)])


def to_canonical_json(request: BaseModel) -> dict[str, Any]:
    """The request as JSON under its public names, without empty optional fields, as it is stored.

    Its model's `model_validate` and `videojobs.requests.parsing` both give the same request back.
    """
    return request.model_dump(mode="json", exclude_none=True)


def fingerprint(request: BaseModel) -> str:
    """SHA-256 (hex) of the canonical request: tells "the same again" from "the same id with another request"."""
    text = json.dumps(to_canonical_json(request), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
