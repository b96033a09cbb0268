"""Validates the combination of parameters (fact sheet 3 and 4)."""

from pydantic import ValidationError

from deployments.local.emulators.ghostcut.masks import InvalidMasks, Mask, read_masks
from deployments.local.emulators.ghostcut.schemas import WorkRequest

MODE_OFF, MODE_WHOLE_FRAME, MODE_REGIONS = 0, 1, 2
LANGUAGES = ("all", "zh", "en", "ja", "ko", "ar")
MAX_LITE_BOXES = 10
MAX_BOX_AREA = {"advanced": 0.2, "advanced_large_box": 0.4}  # fraction of the picture that the one box may cover


def find_parameter_error(request: WorkRequest) -> str | None:
    """An error in the parameters themselves, or None."""
    if request.names is not None and len(request.names) != len(request.urls):
        return "names: not as many as urls"
    if request.mode not in (MODE_OFF, MODE_WHOLE_FRAME, MODE_REGIONS):
        return f"needChineseOcclude: {request.mode} is not offered here"
    if request.mode != MODE_OFF and request.language not in LANGUAGES:
        return "videoInpaintLang: missing or unknown"
    return _find_json_option_error(request)


def _find_json_option_error(request: WorkRequest) -> str | None:
    """The same for options in JSON strings."""
    try:
        request.parsed_options()
        masks = read_masks(request.masks) if request.masks is not None else []
    except ValidationError as error:
        return f"extraOptions: {error.errors()[0]['msg']}"
    except InvalidMasks as error:
        return f"videoInpaintMasks: {error}"
    if request.mode == MODE_REGIONS and not masks:
        return "videoInpaintMasks: required for needChineseOcclude 2"
    return None


def find_model_error(request: WorkRequest) -> str | None:
    """What the chosen erase model does not support; such works are accepted and end with 26."""
    model = request.parsed_options().extra_inpaint_config.model
    if model is None or request.mode == MODE_OFF:
        return None
    if request.language != "all":
        return f"{model}: videoInpaintLang has to be all"
    masks = read_masks(request.masks) if request.masks is not None else []
    if model == "advanced_full":
        return None if request.mode == MODE_WHOLE_FRAME and not masks else f"{model}: mode 1 without masks only"
    return _find_region_error(model, request.mode, masks)


def _find_region_error(model: str, mode: int, masks: list[Mask]) -> str | None:
    if mode != MODE_REGIONS:
        return f"{model}: mode 2 only"
    if any(mask.kind != "remove_only_ocr" for mask in masks):
        return f"{model}: remove_only_ocr only"
    if len(masks) > (MAX_LITE_BOXES if model == "advanced_lite" else 1):
        return f"{model}: too many boxes"
    if masks[0].area >= MAX_BOX_AREA.get(model, 2):
        return f"{model}: the box is too large"
    return None
