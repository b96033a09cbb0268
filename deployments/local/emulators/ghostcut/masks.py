"""The list inside `videoInpaintMasks`: boxes with a kind and a time range (fact sheet 4)."""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

MaskKind = Literal["remove", "remove_only_ocr", "keep"]
TIME_EPSILON = 1e-6  # seconds; times are decimal, frame times are not


class InvalidMasks(Exception):
    """The masks do not follow the vendor's guide; the message says why."""


@dataclass(frozen=True, slots=True)
class PixelBox:
    """Pixels: from left and top up to, not including, right and bottom."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Mask:
    """A box in fractions of the picture (0..1), shown from `start` up to, not including, `end` (seconds).

    A negative or zero `end` counts from the end of the video.
    """

    kind: MaskKind
    left: float
    top: float
    right: float
    bottom: float
    start: float
    end: float

    def is_active(self, moment: float, duration: float) -> bool:
        end = self.end if self.end > 0 else duration + self.end
        return self.start - TIME_EPSILON <= moment < end - TIME_EPSILON

    def to_pixels(self, width: int, height: int) -> PixelBox:
        """The pixels that the box touches."""
        return PixelBox(
            math.floor(self.left * width + TIME_EPSILON),
            math.floor(self.top * height + TIME_EPSILON),
            math.ceil(self.right * width - TIME_EPSILON),
            math.ceil(self.bottom * height - TIME_EPSILON),
        )

    @property
    def area(self) -> float:
        """Share of the picture, 0..1."""
        return (self.right - self.left) * (self.bottom - self.top)


Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class _MaskElement(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    type: MaskKind
    start: float = Field(default=0.0, ge=0)
    end: float | None = Field(default=None, gt=0)
    to_end: float | None = Field(default=None, ge=0)
    region: Annotated[list[Point], Field(min_length=4, max_length=4)]


_MASK_LIST = TypeAdapter(list[_MaskElement])


def read_masks(text: str) -> list[Mask]:
    """Parse the JSON string. Boxes are clamped to the picture. Raises InvalidMasks."""
    try:
        elements = _MASK_LIST.validate_python(json.loads(text))
    except ValidationError as error:
        first: Any = error.errors()[0]
        raise InvalidMasks(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise InvalidMasks("not a JSON string") from error
    return [_to_mask(element) for element in elements]


def _to_mask(element: _MaskElement) -> Mask:
    if element.end is not None and element.to_end is not None:
        raise InvalidMasks("end and to_end exclude each other")
    top_left, top_right, bottom_right, bottom_left = element.region
    (left, top), (right, bottom) = top_left, bottom_right
    if top_right != [right, top] or bottom_left != [left, bottom] or left >= right or top >= bottom:
        raise InvalidMasks("region is not top-left, top-right, bottom-right, bottom-left of a rectangle")
    end = element.end if element.end is not None else -(element.to_end or 0.0)
    if element.end is not None and element.start >= element.end:
        raise InvalidMasks("start is not before end")
    left, top, right, bottom = (min(1.0, max(0.0, side)) for side in (left, top, right, bottom))
    return Mask(element.type, left, top, right, bottom, element.start, end)
