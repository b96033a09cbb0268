"""The meaning of Sync.so's error responses. Facts: Sync.so fact sheet, sections 1, 4, 8 and 12."""

import httpx
from pydantic import ValidationError

from videojobs.errors import (
    ConfigurationError,
    JobParked,
    OutcomeUnknown,
    VendorIdNotFound,
    VendorRateLimited,
    VendorRejected,
    VendorUnavailable,
    VideoJobError,
)
from videojobs.providers.http import no_answer_error, parse_retry_after, redact
from videojobs.providers.sync_so.schemas import ErrorResponse

VENDOR = "Sync.so"

# Resolved by waiting.
RATE_LIMIT_CODES = frozenset({"rate_limit_exceeded", "concurrency_limit_reached", "voice_clone_busy"})
# Resolved by a payment or another plan: an operator has to act.
PLAN_CODES = frozenset(
    {
        "generation_plan_duration_exceeded",
        "free_tier_generations_exhausted",
        "plan_feature_unavailable",
        "account_payment_required",
        "account_on_hold",
        "voice_clone_limit_reached",
        "elevenlabs_quota_exceeded",
        "batch_plan_required",
    }
)
# Errors of the vendor, even with a 4xx status: nothing was accepted, and a later attempt may succeed.
TRANSIENT_CODES = frozenset(
    {
        "generation_pipeline_failed",
        "generation_unknown_error",
        "generation_infra_storage_error",
        "generation_infra_resource_exhausted",
        "generation_infra_service_unavailable",
        "generation_media_probe_timeout",
        "generation_media_probe_unavailable",
        "controller_timeout",
        "controller_unavailable",
        "controller_dependency_error",
        "elevenlabs_service_unavailable",
        "usage_dependency_unavailable",
        "internal_error",
    }
)
PLAN_ADVICE = "An operator has to change the Sync.so plan or settle the account"


class GenerationNotFound(VendorIdNotFound):
    """Sync.so does not know this generation id."""


class RouteUnknown(VendorUnavailable):
    """Nothing at this address (a 404 without a code): a wrong base URL, a gateway, an older API, or no output yet."""


class SubmissionConflict(JobParked):
    """Sync.so has another request under this idempotency key. An operator has to look up what was bought with it."""


def to_error(response: httpx.Response, *, paid: bool) -> VideoJobError:
    """The error for a response that is not 2xx; `paid`: whether the call may have bought something."""
    status, error = response.status_code, _parse_error(response)
    code = error.code or ""
    description = _describe(response, error)
    if status == 429 or code in RATE_LIMIT_CODES:
        wait = parse_retry_after(response)
        return VendorRateLimited(
            f"{VENDOR} asks to wait {description}",
            vendor=VENDOR,
            retry_after=error.retry_after_seconds if wait is None else wait,
        )
    if status >= 500 or status == 408 or code == "IDEMPOTENCY_OUTCOME_UNKNOWN":
        return no_answer_error(
            VENDOR, description, paid=paid, vendor_id=error.generation_id, retry_after=parse_retry_after(response)
        )
    if status in (404, 405) and not (code or paid):
        return RouteUnknown(
            f"{VENDOR} does not serve this address; if every call fails, check its base URL {description}"
        )
    return _conflict_error(status, code, description) or _rejection_error(status, code, description)


def _conflict_error(status: int, code: str, description: str) -> VideoJobError | None:
    """The error if Sync.so has something under this key or id already, or does not know it."""
    if code == "generation_not_found":
        return GenerationNotFound(f"{VENDOR} does not know this generation {description}")
    if status != 409 and not code.startswith("IDEMPOTENCY_"):
        return None
    if "IN_PROGRESS" in code:  # the vendor's code for this is not known; the same key and bytes resolve it
        return OutcomeUnknown(f"{VENDOR} is still processing this request {description}")
    return SubmissionConflict(
        f"{VENDOR} has another request under this job's idempotency key {description}; look it up before paying again"
    )


def _rejection_error(status: int, code: str, description: str) -> VideoJobError:
    """The error if Sync.so accepted nothing."""
    if status == 402 or code in PLAN_CODES:
        return VendorRejected(f"{VENDOR} refused the request {description}. {PLAN_ADVICE}", vendor_code=code or None)
    if status == 401 or (status == 403 and not code):
        return ConfigurationError(f"{VENDOR} does not accept the API key; check its credentials block {description}")
    if code in TRANSIENT_CODES:
        return VendorUnavailable(f"{VENDOR} reports an internal error {description}")
    return VendorRejected(f"{VENDOR} refused the request {description}", vendor_code=code or None)


def _parse_error(response: httpx.Response) -> ErrorResponse:
    """The error body; empty if the body is something else, such as a gateway's page."""
    try:
        return ErrorResponse.model_validate_json(response.content)
    except ValidationError:
        return ErrorResponse()


def _describe(response: httpx.Response, answer: ErrorResponse) -> str:
    """The vendor's message: `(422 code): text`, with its suggestion and the id that its support asks for."""
    code = f" {answer.code}" if answer.code else ""
    parts = [redact(response, answer.message or answer.error)]
    parts += [f"field {redact(response, answer.field)}"] if answer.field else []
    parts += [redact(response, answer.suggestion)] if answer.suggestion else []
    parts += [f"request id {redact(response, answer.request_id)}"] if answer.request_id else []
    return f"({response.status_code}{code}): " + "; ".join(parts)
