"""What Sync.so's error answers mean for us. Facts: Sync.so fact sheet, sections 1, 4, 8 and 12."""

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

# A slot or the clock heals it.
RATE_LIMIT_CODES = frozenset({"rate_limit_exceeded", "concurrency_limit_reached", "voice_clone_busy"})
# Money or the plan heals it: an operator's matter.
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
# The vendor's own trouble, even where it answers 4xx: nothing was accepted, a later try can heal it.
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
    """Nothing is at this address (a 404 without a code): a wrong base URL, a gateway, an older API, no output yet."""


class SubmissionConflict(JobParked):
    """Sync.so holds something else under this idempotency key. What was bought with it, an operator has to look up."""


def to_error(response: httpx.Response, *, paid: bool) -> VideoJobError:
    """Give the error for an answer that is not 2xx; `paid` says whether the call may have bought something."""
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
            f"{VENDOR} has nothing at this address; if every call says so, check its base URL {description}"
        )
    return _conflict_error(status, code, description) or _rejection_error(status, code, description)


def _conflict_error(status: int, code: str, description: str) -> VideoJobError | None:
    """Give the error where Sync.so's answer is about something it holds already, or does not hold."""
    if code == "generation_not_found":
        return GenerationNotFound(f"{VENDOR} does not know this generation {description}")
    if status != 409 and not code.startswith("IDEMPOTENCY_"):
        return None
    if "IN_PROGRESS" in code:  # the vendor's code for this is not known; the same key and bytes settle it
        return OutcomeUnknown(f"{VENDOR} is still taking this request {description}")
    return SubmissionConflict(
        f"{VENDOR} holds another request under this job's idempotency key {description}; look it up before paying again"
    )


def _rejection_error(status: int, code: str, description: str) -> VideoJobError:
    """Give the error where Sync.so accepted nothing."""
    if status == 402 or code in PLAN_CODES:
        return VendorRejected(f"{VENDOR} refused the request {description}. {PLAN_ADVICE}", vendor_code=code or None)
    if status == 401 or (status == 403 and not code):
        return ConfigurationError(f"{VENDOR} does not accept the API key {description}")
    if code in TRANSIENT_CODES:
        return VendorUnavailable(f"{VENDOR} has trouble of its own {description}")
    return VendorRejected(f"{VENDOR} refused the request {description}", vendor_code=code or None)


def _parse_error(response: httpx.Response) -> ErrorResponse:
    """Read the error body, or nothing from a body that is none (a gateway's page)."""
    try:
        return ErrorResponse.model_validate_json(response.content)
    except ValidationError:
        return ErrorResponse()


def _describe(response: httpx.Response, answer: ErrorResponse) -> str:
    """What the vendor said: `(422 code): text`, with its suggestion and the id its support asks for."""
    code = f" {answer.code}" if answer.code else ""
    parts = [redact(response, answer.message or answer.error)]
    parts += [f"field {redact(response, answer.field)}"] if answer.field else []
    parts += [redact(response, answer.suggestion)] if answer.suggestion else []
    parts += [f"request id {redact(response, answer.request_id)}"] if answer.request_id else []
    return f"({response.status_code}{code}): " + "; ".join(parts)
