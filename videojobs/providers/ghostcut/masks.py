"""From annotation areas to GhostCut's masks and erase models. Facts: GhostCut fact sheet, sections 3 and 4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any

from videojobs.errors import FieldError
from videojobs.providers.schemas import normalize_number
from videojobs.requests.models import AreaKind, InpaintModel

MASK_TYPES: Mapping[AreaKind, str] = MappingProxyType(
    {
        "erasure": "remove",  # the whole box
        "protection": "keep",
        "text": "remove_only_ocr",  # only what is recognised as text in the box
    }
)


@dataclass(frozen=True, slots=True)
class EraseModel:
    """What the vendor lets one of its models do. None: no limit is stated."""

    wire_name: str | None  # None: no model is named
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


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """A rectangle of the picture in a time range.

    `x`, `y` (top left), `w`, `h` are fractions of the picture, `start` and `end` absolute seconds.
    """

    kind: AreaKind
    x: float
    y: float
    w: float
    h: float
    start: float
    end: float


def encode_mask(spec: MaskSpec) -> dict[str, Any]:
    """One element of `videoInpaintMasks`, for a spec without `mask_problem`.

    The region is clamped to the picture (4 decimals: a fifth of a pixel at 1920); the times are rounded outwards to
    milliseconds, as text that shows for one frame more than it is wiped would be seen.
    """
    x0, y0, x1, y1 = map(normalize_number, _corners(spec))
    return {
        "type": MASK_TYPES[spec.kind],
        "start": normalize_number(_round_to_milliseconds(max(spec.start, 0), ROUND_FLOOR)),
        "end": normalize_number(_round_to_milliseconds(spec.end, ROUND_CEILING)),
        "region": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]],
    }


def mask_errors(masks: Sequence[MaskSpec], model: InpaintModel) -> list[FieldError]:
    """Everything that GhostCut would refuse, or silently wipe nothing for."""
    problems = [FieldError("masks", "give at least one area")] if not masks else []
    for index, spec in enumerate(masks):
        text = _mask_error(spec, ERASE_MODELS[model], model)
        problems += [FieldError(f"masks[{index}]", text)] if text else []
    max_boxes = ERASE_MODELS[model].max_boxes
    if max_boxes is not None and len(masks) > max_boxes:
        problems.append(FieldError("masks", f"the model {model} takes at most {max_boxes}, not {len(masks)}"))
    return problems


def _mask_error(spec: MaskSpec, rules: EraseModel, model: InpaintModel) -> str | None:
    if not all(map(isfinite, (spec.x, spec.y, spec.w, spec.h, spec.start, spec.end))):
        return "every number has to be finite"
    if spec.end <= max(spec.start, 0):
        return f"the time range {spec.start} to {spec.end} s is empty"
    x0, y0, x1, y1 = _corners(spec)
    if x1 <= x0 or y1 <= y0:
        return "nothing of the rectangle lies in the picture"
    if spec.kind not in rules.allowed_kinds:
        return f"the model {model} removes text only, not {spec.kind}"
    area = round((x1 - x0) * (y1 - y0), 8)  # exact: the corners have 4 decimals
    if rules.max_area is not None and area >= rules.max_area:
        return f"the model {model} takes less than {rules.max_area:.0%} of the picture"
    return None


def _corners(spec: MaskSpec) -> tuple[float, float, float, float]:
    """Left, top, right, bottom within the picture."""
    edges = (spec.x, spec.y, spec.x + spec.w, spec.y + spec.h)
    left, top, right, bottom = (round(min(max(edge, 0.0), 1.0), 4) for edge in edges)
    return left, top, right, bottom


def _round_to_milliseconds(seconds: float, rounding: str) -> float:
    # By way of decimals: 4.1 * 1000 is 4099.999..., which would be rounded away from a time that is exact.
    return float(Decimal(str(seconds)).quantize(Decimal("0.001"), rounding=rounding))
