"""Validates a well-formed generate request; violations are a 4xx with an `errorCode`."""

from collections.abc import Iterator
from itertools import pairwise

from deployments.local.emulators.sync_so.errors import VendorApiError
from deployments.local.emulators.sync_so.prices import MODELS
from deployments.local.emulators.sync_so.schemas import AudioInput, GenerateRequest, Segment, VisualInput

INVALID_INPUT = "generation_input_validation_failed"
INVALID_SEGMENTS = "generation_input_segments_invalid"


def validate_request(request: GenerateRequest) -> None:
    """Raise the first VendorApiError that applies. Does not read the media."""
    if request.model not in MODELS:
        raise VendorApiError.from_catalog(422, "generation_unsupported_model")
    _check_visual(request)
    _check_audio(request)
    if request.segments is not None and not _are_segments_valid(request, request.segments):
        raise VendorApiError.from_catalog(422, INVALID_SEGMENTS)
    if any(isinstance(item, VisualInput | AudioInput) and item.url is None for item in request.input):
        raise VendorApiError.from_catalog(404, "asset_not_found")  # the emulator has no assets
    if request.project_id is not None:
        raise VendorApiError.from_catalog(422, "project_not_found")  # nor projects


def _check_visual(request: GenerateRequest) -> None:
    visuals = request.visual_inputs()
    if len(visuals) > 1:
        raise VendorApiError.from_catalog(422, "generation_input_too_many_visual")
    if not visuals:
        raise VendorApiError(422, "A video or image input is required", INVALID_INPUT)
    if visuals[0].type == "image" and request.model != "sync-3":
        raise VendorApiError(422, f"{request.model} does not support image input", INVALID_INPUT)
    if visuals[0].type == "image" and request.segments is not None:
        raise VendorApiError.from_catalog(422, INVALID_SEGMENTS)


def _check_audio(request: GenerateRequest) -> None:
    sounds = request.audio_inputs()
    if request.dub_params is not None:
        if sounds:
            raise VendorApiError.from_catalog(422, "generation_input_dub_audio_conflict")
        raise VendorApiError.from_catalog(402, "plan_feature_unavailable")
    if not sounds:
        raise VendorApiError(422, "An audio or text input is required", INVALID_INPUT)
    if len(sounds) > 1 and request.segments is None:
        raise VendorApiError(422, "More than one audio input requires segments", INVALID_INPUT)
    named = [item.ref_id for item in request.input if not isinstance(item, VisualInput) and item.ref_id]
    if len(set(named)) < len(named):
        raise VendorApiError(422, "refId values must be unique", INVALID_INPUT)
    if request.segments is not None and len(named) < len(sounds):
        raise VendorApiError(422, "refId is required when segments are provided", INVALID_INPUT)


def _are_segments_valid(request: GenerateRequest, segments: list[Segment]) -> bool:
    known = {item.ref_id for item in request.audio_inputs()}
    return bool(segments) and all(_segment_rules(known, segments))


def _segment_rules(known: set[str | None], segments: list[Segment]) -> Iterator[bool]:
    for segment in segments:
        sound = segment.audio_input
        yield not segment.model_extra and not sound.model_extra
        yield 0 <= segment.start_time <= segment.end_time
        yield sound.ref_id != "" and sound.ref_id in known
        yield (sound.start_time is None) == (sound.end_time is None)
        yield sound.start_time is None or 0 <= sound.start_time < (sound.end_time or 0)
    ordered = sorted(segments, key=lambda segment: segment.start_time)
    yield all(before.end_time <= after.start_time for before, after in pairwise(ordered))
