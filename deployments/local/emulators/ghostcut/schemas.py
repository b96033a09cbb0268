"""The body of a submission: its types, and the options in JSON strings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.local.emulators.ghostcut.responses import VendorApiError

EraseModel = Literal["advanced_lite", "advanced", "advanced_large_box", "advanced_full"]


class InpaintConfig(BaseModel):
    model: EraseModel | None = None


class WriteOptions(BaseModel):
    crf: Annotated[int, Field(ge=10, le=30)] | None = None


class ExtraOptions(BaseModel):
    """`range` (seconds) cuts the result."""

    extra_inpaint_config: InpaintConfig = InpaintConfig()
    write_options: WriteOptions = WriteOptions()
    range: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)]] | None = None


class WorkRequest(BaseModel):
    """The fields that the emulator uses; undocumented ones and effects are accepted and ignored."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    urls: Annotated[list[str], Field(min_length=1, max_length=20)]
    names: list[str] | None = None
    mode: Annotated[int, Field(alias="needChineseOcclude")] = 0
    language: Annotated[str | None, Field(alias="videoInpaintLang")] = None
    masks: Annotated[str | None, Field(alias="videoInpaintMasks")] = None
    extra_options: Annotated[str | None, Field(alias="extraOptions")] = None
    resolution: Literal["480p", "720p", "1080p"] = "1080p"
    callback: str | None = None
    uid: str | None = None

    def parsed_options(self) -> ExtraOptions:
        """The options inside the JSON string. Raises pydantic's ValidationError."""
        return ExtraOptions.model_validate_json(self.extra_options or "{}")


class PageRequest(BaseModel):
    """The parameters of a list of works. Times are the vendor's clock, in milliseconds."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    page: Annotated[int, Field(ge=0)] = 0
    page_size: Annotated[int, Field(alias="pageSize", ge=1, le=2000)] = 20  # the default is not documented
    from_ms: Annotated[int, Field(alias="createTimeGreaterThanOrEqualTo")] = 0
    before_ms: Annotated[int | None, Field(alias="createTimeLessThan")] = None

    @property
    def since(self) -> float:
        """Unix seconds."""
        return self.from_ms / 1000

    @property
    def before(self) -> float:
        """Unix seconds; infinite without an end."""
        return float("inf") if self.before_ms is None else self.before_ms / 1000


def parse_request(body: bytes) -> WorkRequest:
    """The submission in typed form. Raises VendorApiError 3008 or 4001."""
    try:
        given = json.loads(body)
    except ValueError as error:
        raise VendorApiError(4001, "the body is not JSON") from error
    if not isinstance(given, dict) or not given.get("urls"):
        raise VendorApiError(3008, "urls missing")
    with _validation_as_refusal():
        return WorkRequest.model_validate(given)


def parse_page_request(body: bytes) -> PageRequest:
    """The requested page of the list of works. Raises VendorApiError 4001."""
    with _validation_as_refusal():
        return PageRequest.model_validate_json(body)


@contextmanager
def _validation_as_refusal() -> Iterator[None]:
    """Convert validation errors to VendorApiError with the parameter's name."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise VendorApiError(4001, f"{field}: {first['msg']}") from error
