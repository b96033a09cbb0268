"""What Sync.so's error answers mean for us. Facts: Sync.so fact sheet, sections 1, 4, 8 and 12."""

import httpx
from pydantic import ValidationError

from videojobs.errors import (
    ConfigurationError,
    JobParked,
    NotShown,
    OutcomeUnknown,
    VendorRefused,
    VendorThrottled,
    VendorUnavailable,
    VideoJobError,
)
from videojobs.vendors.http import quoted, retry_after, unanswered
from videojobs.vendors.sync_so.wire import ErrorAnswer

VENDOR = "Sync.so"

# A slot or the clock heals it.
THROTTLE_CODES = frozenset({"rate_limit_exceeded", "concurrency_limit_reached", "voice_clone_busy"})
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


class GenerationNotFound(NotShown):
    """Sync.so does not know this generation id."""


class RouteUnknown(VendorUnavailable):
    """Nothing is at this address (a 404 without a code): a wrong base URL, a gateway, an older API, no output yet."""


class SubmissionConflict(JobParked):
    """Sync.so holds something else under this idempotency key. What was bought with it, an operator has to look up."""


def refusal(response: httpx.Response, *, paid: bool) -> VideoJobError:
    """Give the error for an answer that is not 2xx; `paid` says whether the call may have bought something."""
    status, answer = response.status_code, _read(response)
    code = answer.code or ""
    told = _told(response, answer)
    if status == 429 or code in THROTTLE_CODES:
        wait = retry_after(response)
        return VendorThrottled(
            f"{VENDOR} asks to wait {told}",
            vendor=VENDOR,
            retry_after=answer.retry_after_seconds if wait is None else wait,
        )
    if status >= 500 or status == 408 or code == "IDEMPOTENCY_OUTCOME_UNKNOWN":
        return unanswered(VENDOR, told, paid=paid, vendor_id=answer.generation_id, retry_after=retry_after(response))
    if status in (404, 405) and not (code or paid):
        return RouteUnknown(f"{VENDOR} has nothing at this address; if every call says so, check its base URL {told}")
    return _conflict(status, code, told) or _refused(status, code, told)


def _conflict(status: int, code: str, told: str) -> VideoJobError | None:
    """Give the error where Sync.so's answer is about something it holds already, or does not hold."""
    if code == "generation_not_found":
        return GenerationNotFound(f"{VENDOR} does not know this generation {told}")
    if status != 409 and not code.startswith("IDEMPOTENCY_"):
        return None
    if "IN_PROGRESS" in code:  # the vendor's code for this is not known; the same key and bytes settle it
        return OutcomeUnknown(f"{VENDOR} is still taking this request {told}")
    return SubmissionConflict(
        f"{VENDOR} holds another request under this job's idempotency key {told}; look it up before paying again"
    )


def _refused(status: int, code: str, told: str) -> VideoJobError:
    """Give the error where Sync.so accepted nothing."""
    if status == 402 or code in PLAN_CODES:
        return VendorRefused(f"{VENDOR} refused the request {told}. {PLAN_ADVICE}", code=code or None)
    if status == 401 or (status == 403 and not code):
        return ConfigurationError(f"{VENDOR} does not accept the API key {told}")
    if code in TRANSIENT_CODES:
        return VendorUnavailable(f"{VENDOR} has trouble of its own {told}")
    return VendorRefused(f"{VENDOR} refused the request {told}", code=code or None)


def _read(response: httpx.Response) -> ErrorAnswer:
    """Read the error body, or nothing from a body that is none (a gateway's page)."""
    try:
        return ErrorAnswer.model_validate_json(response.content)
    except ValidationError:
        return ErrorAnswer()


def _told(response: httpx.Response, answer: ErrorAnswer) -> str:
    """What the vendor said: `(422 code): text`, with its suggestion and the id its support asks for."""
    code = f" {answer.code}" if answer.code else ""
    parts = [quoted(response, answer.message or answer.error)]
    parts += [f"field {quoted(response, answer.field)}"] if answer.field else []
    parts += [quoted(response, answer.suggestion)] if answer.suggestion else []
    parts += [f"request id {quoted(response, answer.request_id)}"] if answer.request_id else []
    return f"({response.status_code}{code}): " + "; ".join(parts)
