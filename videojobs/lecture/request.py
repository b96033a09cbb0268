"""A client's lecture request. Prefect's form and the API's OpenAPI document are generated from it."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from videojobs.lecture.options import LectureOptions
from videojobs.requests.models import CALLBACK_URL_HELP, ID_PATTERN, CallbackUrl, Label, Source

VIDEO_HELP: Final = "Where the lecture is: s3://bucket/key or https://..., or a file path on a local stack."


class LectureRequest(BaseModel):
    """One lecture. Create it with `videojobs.lecture.parsing`, which also validates the video's source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    video: Source = Field(title="Video", description=VIDEO_HELP, json_schema_extra={"position": 0})
    display_name: Label | None = Field(
        default=None,
        title="Display name",
        description="The job's name in lists, and the PDF's title. Any text of up to 200 characters.",
        json_schema_extra={"position": 1},
    )
    user_id: Annotated[str, Field(pattern=ID_PATTERN)] = Field(
        title="User",
        description="Whose job this is; results are stored under this name. "
        "1 to 64 letters, digits, - _ and ., starting with a letter or a digit.",
        json_schema_extra={"position": 2},
    )
    options: LectureOptions = Field(
        default=LectureOptions(),
        title="Options",
        description="Speech, subtitles, slides and PDF. The defaults are right for most lectures.",
        json_schema_extra={"position": 3},
    )
    callback_url: CallbackUrl | None = Field(
        default=None,
        title="Callback address",
        description=CALLBACK_URL_HELP,
        json_schema_extra={"position": 4},
    )

    @field_validator("display_name", "callback_url", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        """An HTML form sends an empty field as an empty string."""
        return None if isinstance(value, str) and not value.strip() else value
