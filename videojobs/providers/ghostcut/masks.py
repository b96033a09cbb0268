"""Converts annotation areas to GhostCut's masks and erase models. Facts: GhostCut fact sheet, sections 3 and 4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any, Protocol

from videojobs.errors import FieldError, ProblemCode
from videojobs.pipeline.masks import MaskSpec
from videojobs.providers.schemas import normalize_number
from videojobs.requests.models import AreaKind, InpaintModel

MASK_TYPES: Mapping[AreaKind, str] = MappingProxyType(
    {
        "erasure": "remove",  # the whole box
        "protection": "keep",
        "text": "remove_only_ocr",  # only what is recognised as text in the box
    }
)


class Rectangle(Protocol):
    """An area of a request, or a mask: fractions of the picture."""

    @property
    def kind(self) -> AreaKind: ...
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def w(self) -> float: ...
    @property
    def h(self) -> float: ...


@dataclass(frozen=True, slots=True)
class EraseModel:
    """Limits of one of the vendor's models. None: no documented limit."""

    wire_name: str | None  # None: the request names no model
    allowed_kinds: frozenset[AreaKind]
    max_boxes: int | None = None
    max_area: float | None = None  # fraction of the frame
    requires_all_languages: bool = False


_ALL_KINDS: frozenset[AreaKind] = frozenset(MASK_TYPES)
_TEXT_ONLY: frozenset[AreaKind] = frozenset({"text"})
ERASE_MODELS: Mapping[InpaintModel, EraseModel] = MappingProxyType(
    {
        "basic": EraseModel(None, _ALL_KINDS),
        "advanced_lite": EraseModel("advanced_lite", _TEXT_ONLY, max_boxes=10, requires_all_languages=True),
        "advanced": EraseModel("advanced", _TEXT_ONLY, 1, 0.20, requires_all_languages=True),
        "advanced_large_box": EraseModel("advanced_large_box", _TEXT_ONLY, 1, 0.40, requires_all_languages=True),
    }
)


def encode_mask(spec: MaskSpec) -> dict[str, Any]:
    """One element of `videoInpaintMasks`, for a spec without `mask_problem`.

    The region is clamped to the picture (4 decimals: a fifth of a pixel at 1920). Times are rounded outward to
    milliseconds, because text would show in a frame that is not covered.
    """
    x0, y0, x1, y1 = map(normalize_number, _corners(spec))
    return {
        "type": MASK_TYPES[spec.kind],
        "start": normalize_number(_round_to_milliseconds(max(spec.start, 0), ROUND_FLOOR)),
        "end": normalize_number(_round_to_milliseconds(spec.end, ROUND_CEILING)),
        "region": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]],
    }


def mask_errors(
    masks: Sequence[MaskSpec], model: InpaintModel, language: str = "all", *, whole_frame: bool = False
) -> list[FieldError]:
    """Everything that GhostCut would reject, or accept without erasing anything."""
    problems = [FieldError("masks", "give at least one area")] if not masks and not whole_frame else []
    if whole_frame:
        problems += whole_frame_errors(model, model_field="model")
        problems += [
            FieldError(f"masks[{index}].kind", "must be protection for the whole frame")
            for index, spec in enumerate(masks)
            if spec.kind != "protection"
        ]
    for index, spec in enumerate(masks):
        text = _mask_error(spec)
        problems += [FieldError(f"masks[{index}]", text)] if text else []
    return problems or model_rule_errors(
        model, language, dict(enumerate(masks)), areas_field="masks", language_field="language"
    )


def whole_frame_errors(model: InpaintModel, *, model_field: str) -> list[FieldError]:
    """The models that have no mode for the whole frame."""
    if model == "basic":
        return []
    message = f"must be basic for text removal in the whole frame; {model} needs areas"
    return [FieldError(model_field, message, ProblemCode.UNSUPPORTED_BY_MODEL)]


def _mask_error(spec: MaskSpec) -> str | None:
    if not all(map(isfinite, (spec.x, spec.y, spec.w, spec.h, spec.start, spec.end))):
        return "all numbers must be finite"
    if spec.end <= max(spec.start, 0):
        return f"the time range {spec.start} to {spec.end} s is empty"
    x0, y0, x1, y1 = _corners(spec)
    if x1 <= x0 or y1 <= y0:
        return "the rectangle is outside the picture"
    return None


def model_rule_errors(
    model: InpaintModel, language: str, areas: Mapping[int, Rectangle], *, areas_field: str, language_field: str
) -> list[FieldError]:
    """What the model does not support. Without areas there is no text removal, so the model does not matter.

    `areas` by their index in `areas_field`, under which problems are reported.
    """
    rules = ERASE_MODELS[model]
    if not areas:
        return []
    problems = []
    if rules.requires_all_languages and language != "all":
        problems.append(
            FieldError(language_field, f"must be all with the model {model}", ProblemCode.UNSUPPORTED_BY_MODEL)
        )
    if rules.max_boxes is not None and len(areas) > rules.max_boxes:
        count = "1 area" if rules.max_boxes == 1 else f"{rules.max_boxes} areas"
        message = f"has {len(areas)} areas; the model {model} supports at most {count}"
        problems.append(FieldError(areas_field, message, ProblemCode.UNSUPPORTED_BY_MODEL))
    for index, area in areas.items():
        if area.kind not in rules.allowed_kinds:
            message = f"must be text with the model {model}; choose basic for erasure and protection"
            problems.append(FieldError(f"{areas_field}[{index}].kind", message, ProblemCode.UNSUPPORTED_BY_MODEL))
        if rules.max_area is not None and (fraction := _area_fraction(area)) >= rules.max_area:
            message = f"covers {fraction:.1%} of the picture; the model {model} supports less than {rules.max_area:.0%}"
            problems.append(FieldError(f"{areas_field}[{index}]", message, ProblemCode.UNSUPPORTED_BY_MODEL))
    return problems


def _area_fraction(area: Rectangle) -> float:
    """Fraction of the picture, with corners of four decimals, as sent; without float noise: 0.5 x 0.4 is 0.2."""
    x0, y0, x1, y1 = _corners(area)
    return round((x1 - x0) * (y1 - y0), 8)


def _corners(spec: Rectangle) -> tuple[float, float, float, float]:
    """Left, top, right, bottom within the picture."""
    edges = (spec.x, spec.y, spec.x + spec.w, spec.y + spec.h)
    left, top, right, bottom = (round(min(max(edge, 0.0), 1.0), 4) for edge in edges)
    return left, top, right, bottom


def _round_to_milliseconds(seconds: float, rounding: str) -> float:
    # Through decimals: 4.1 * 1000 is 4099.999..., which would change a time that is exact.
    return float(Decimal(str(seconds)).quantize(Decimal("0.001"), rounding=rounding))
