"""Sync.so's errors: the catalog of codes, HTTP errors, and failures of accepted generations."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

# code -> message. The codes are those of the public catalog (fact sheet 12). The wording is ours unless a fact
# gives it, since the vendor advises clients to branch on the code.
CATALOG = {
    "generation_unsupported_model": "This model is not supported",
    "generation_input_validation_failed": "The generation input is invalid",
    "generation_input_video_inaccessible": "The input video could not be accessed",
    "generation_input_audio_inaccessible": "The input audio could not be accessed",
    "generation_input_image_inaccessible": "The input image could not be accessed",
    "generation_input_video_invalid": "The input video is invalid or corrupted",
    "generation_input_audio_invalid": "The input audio is invalid or corrupted",
    "generation_input_segments_invalid": "The segments configuration is invalid",
    "generation_input_trim_invalid": "The trim range is invalid",
    "generation_input_face_selection_invalid": "The face selection is invalid",
    "generation_input_resolution_unsupported": "The input resolution is not supported",
    "generation_input_duration_greater_than_max_duration": "The input is too long",
    "generation_model_duration_exceeded": "The input is too long for this model",
    "generation_input_asset_type_mismatch": "The asset is of another type",
    "generation_input_too_many_visual": "Only one video or image input is allowed",
    "generation_input_dub_audio_conflict": "dubParams cannot be combined with audio or text input",
    "dubbing_duration_exceeded": "The input is too long for dubbing",
    "invalid_generation_id": "The generation id is invalid",
    "unsupported_generation_id_format": "The generation id has an unsupported format",
    "generation_not_found": "Generation not found",
    "generation_conflict": "The generation was changed meanwhile",
    "project_not_found": "Project not found",
    "asset_not_found": "Asset not found",
    "asset_forbidden": "The asset belongs to someone else",
    "invalid_asset_id_format": "The asset id is invalid",
    "uploaded_file_not_found": "The uploaded file was not found",
    "file_not_in_org_storage": "The file is not in the organization's storage",
    "file_size_exceeds_plan_limit": "The file is too large for the plan",
    "elevenlabs_api_key_invalid": "The ElevenLabs API key is invalid",
    "generation_plan_duration_exceeded": "The duration exceeds the limit of the plan",
    "free_tier_generations_exhausted": "The free generations are used up",
    "plan_feature_unavailable": "The plan does not include this feature",
    "account_payment_required": "A payment is due",
    "account_on_hold": "The account is on hold",
    "voice_clone_limit_reached": "The limit of cloned voices is reached",
    "elevenlabs_quota_exceeded": "The ElevenLabs quota is exceeded",
    "rate_limit_exceeded": "Rate limit exceeded. Please try again later.",
    "concurrency_limit_reached": "The concurrency limit of the plan is reached",
    "voice_clone_busy": "Voice cloning is busy",
    "generation_pipeline_failed": "The generation pipeline failed",
    "generation_unknown_error": "An unknown error occurred",
    "generation_infra_storage_error": "A storage error occurred",
    "generation_infra_resource_exhausted": "Resources are exhausted",
    "generation_infra_service_unavailable": "A service is unavailable",
    "generation_media_probe_timeout": "Reading the media took too long",
    "generation_media_probe_unavailable": "Reading the media is not possible now",
    "controller_timeout": "The controller timed out",
    "controller_unavailable": "The controller is unavailable",
    "controller_dependency_error": "A dependency of the controller failed",
    "elevenlabs_service_unavailable": "ElevenLabs is unavailable",
    "usage_dependency_unavailable": "Usage data are unavailable",
    "cost_estimate_unavailable": "The cost cannot be estimated",
    "internal_error": "Internal server error",
    "generation_not_deletable_while_processing": "A generation in progress cannot be deleted",
}

SLOT_RETRY_SECONDS = 5  # in a 429 for concurrency


class VendorApiError(Exception):
    """The request is rejected. `message` is a list for a schema error, as the vendor's framework sends it."""

    def __init__(self, status: int, message: str | list[str], code: str | None = None, **details: object) -> None:
        super().__init__(str(message))
        self.status = status
        self.code = code
        self.body: dict[str, object] = {
            "message": message,
            "error": HTTPStatus(status).phrase,
            "statusCode": status,
        }
        if code is not None:
            self.body["errorCode"] = code
        self.body |= details

    @classmethod
    def from_catalog(cls, status: int, code: str) -> "VendorApiError":
        """An error with the catalog's own message."""
        return cls(status, CATALOG[code], code)


def concurrency_limit_error(active: int, limit: int) -> VendorApiError:
    """The extended form of the 429 (fact sheet 8)."""
    code = "concurrency_limit_reached"
    return VendorApiError(
        429,
        CATALOG[code],
        code,
        activeGenerations=active,
        concurrencyLimit=limit,
        retryAfterSeconds=SLOT_RETRY_SECONDS,
        upgradeUrl="https://sync.so/billing",
    )


class GenerationFailed(Exception):
    """A generation fails, after or just before it is accepted."""

    def __init__(self, code: str) -> None:
        super().__init__(CATALOG[code])
        self.code = code


class InvalidSegments(GenerationFailed):
    """Segments do not fit their media, or one another. An accepted generation ends with the text and without a
    code (fact sheet 15); only a request that is rejected at once gets the code.
    """

    def __init__(self) -> None:
        super().__init__("generation_input_segments_invalid")

    def __str__(self) -> str:
        return f"{super().__str__()}."


def error_response(_request: Request, error: Exception) -> Response:
    """The JSON body of an error; an unknown path has the same form."""
    if isinstance(error, VendorApiError):
        return JSONResponse(error.body, error.status)
    return JSONResponse({"message": "Cannot serve this path", "error": "Not Found", "statusCode": 404}, 404)
