"""Requests and responses of direct uploads."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE_PATTERN: Final = r"^(video|audio)/[A-Za-z0-9.+-]{1,80}$"
_ETAG_PATTERN: Final = r'^"?[\x21\x23-\x7e]{1,200}"?$'  # with or without its quotes


class UploadCreate(BaseModel):
    """A file that a client wants to send directly to the storage."""

    model_config = ConfigDict(extra="forbid")

    file_name: str = Field(min_length=1, max_length=255, examples=["talk.mp4"])
    size: int = Field(gt=0, strict=True, description="Bytes", examples=[734003200])
    content_type: str = Field(examples=["video/mp4"], json_schema_extra={"pattern": MEDIA_TYPE_PATTERN})


class UploadStarted(BaseModel):
    """Where to PUT the parts. Each has `part_size` bytes, the last one the rest."""

    upload_id: str
    part_size: int = Field(description="Bytes", examples=[16777216])
    parts: list[str] = Field(description="Links, in the order of the parts. Keep the ETag of each response.")


class UploadParts(BaseModel):
    """The ETags of all parts, in order."""

    model_config = ConfigDict(extra="forbid")

    etags: list[Annotated[str, Field(pattern=_ETAG_PATTERN)]] = Field(
        min_length=1, max_length=10_000, examples=[['"9b2cf535f27731c974343645a3985328"']]
    )


class UploadComplete(BaseModel):
    """A stored file that a job request can name."""

    source: str = Field(examples=["s3://bucket/users/ada/uploads/0b7d.../talk.mp4"])
