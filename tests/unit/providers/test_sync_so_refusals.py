"""Every error response of Sync.so, and its meaning for the caller."""

from typing import Any

import httpx
import pytest

from tests.support.scripted_vendor import API_KEY, ScriptedVendor
from videojobs.errors import (
    ConfigurationError,
    JobParked,
    OutcomeUnknown,
    PermanentError,
    VendorRateLimited,
    VendorRejected,
    VendorUnavailable,
    VideoJobError,
)
from videojobs.providers.sync_so.errors import (
    PLAN_CODES,
    RATE_LIMIT_CODES,
    TRANSIENT_CODES,
    GenerationNotFound,
    SubmissionConflict,
)

INPUT_CODES = [
    "generation_unsupported_model",
    "generation_input_validation_failed",
    "generation_input_video_inaccessible",
    "generation_input_audio_inaccessible",
    "generation_input_image_inaccessible",
    "generation_input_video_invalid",
    "generation_input_audio_invalid",
    "generation_input_segments_invalid",
    "generation_input_trim_invalid",
    "generation_input_face_selection_invalid",
    "generation_input_resolution_unsupported",
    "generation_input_duration_greater_than_max_duration",
    "generation_model_duration_exceeded",
    "generation_input_asset_type_mismatch",
    "generation_input_too_many_visual",
    "generation_input_dub_audio_conflict",
    "dubbing_duration_exceeded",
    "project_not_found",
    "asset_not_found",
    "asset_forbidden",
    "invalid_asset_id_format",
    "uploaded_file_not_found",
    "file_not_in_org_storage",
    "file_size_exceeds_plan_limit",
    "elevenlabs_api_key_invalid",
    "generation_audio_length_exceeded",
    "INVALID_IDEMPOTENCY_KEY",
    "a_code_of_tomorrow",
]


def error_response(status: int, code: str | None = None, **more: Any) -> httpx.Response:
    body = {"message": "what the vendor says", "statusCode": status} | ({"errorCode": code} if code else {}) | more
    return httpx.Response(status, json=body)


async def create_error(response: httpx.Response) -> VideoJobError:
    with pytest.raises(VideoJobError) as caught:
        await ScriptedVendor(response).sync_so().create(b'{"model":"lipsync-2"}', "key-1")
    return caught.value


async def get_error(response: httpx.Response) -> VideoJobError:
    with pytest.raises(VideoJobError) as caught:
        await ScriptedVendor(response).sync_so().get("g-1")
    return caught.value


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_coded_refusal_is_final_and_carries_code_and_text(status: int) -> None:
    for code in INPUT_CODES:
        error = await create_error(error_response(status, code))
        assert type(error) is VendorRejected
        assert error.vendor_code == code
        assert str(error) == f"Sync.so refused the request ({status} {code}): what the vendor says"


async def test_an_uncoded_refusal_lists_all_that_the_vendor_found() -> None:
    body = {"message": ["input.0.url must be a URL", "model is required"], "error": "Bad Request", "statusCode": 400}
    error = await create_error(httpx.Response(400, json=body))
    assert type(error) is VendorRejected
    assert error.vendor_code is None
    assert str(error) == "Sync.so refused the request (400): input.0.url must be a URL; model is required"


async def test_field_suggestion_and_request_id_are_passed_on() -> None:
    more = {"field": "segments", "suggestion": "Check the order", "requestId": "r-9"}
    error = await create_error(error_response(422, "generation_input_segments_invalid", **more))
    assert str(error).endswith("what the vendor says; field segments; Check the order; request id r-9")


async def test_a_plan_limit_is_a_configuration_error() -> None:
    for code in (None, *PLAN_CODES):
        error = await create_error(error_response(402, code))
        assert type(error) is VendorRejected
        assert error.vendor_code == code
        assert "An operator has to change the Sync.so plan or settle the account" in str(error)


@pytest.mark.parametrize("status", [403, 422])
async def test_a_plan_code_counts_under_any_status(status: int) -> None:
    assert "An operator" in str(await create_error(error_response(status, "plan_feature_unavailable")))


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(
            401,
            json={
                "message": "Either Cookie or x-api-key header must be provided",
                "error": "Unauthorized",
                "statusCode": 401,
            },
        ),
        httpx.Response(401, json={"message": "Unauthorized", "statusCode": 401}),
        httpx.Response(403, text="<html>blocked</html>"),
    ],
)
async def test_a_key_that_is_not_accepted_is_a_configuration_error(response: httpx.Response) -> None:
    assert type(await create_error(response)) is ConfigurationError
    assert type(await get_error(response)) is ConfigurationError


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (error_response(429, "rate_limit_exceeded", error="Too Many Requests"), None),
        (error_response(429, "concurrency_limit_reached", activeGenerations=3, retryAfterSeconds=30), 30.0),
        (error_response(429, "concurrency_limit_reached", retryAfterSeconds="soon"), None),
        (httpx.Response(429, headers={"retry-after": "7"}, json={"retryAfterSeconds": 30}), 7.0),
        (httpx.Response(429, text="slow down"), None),
        (error_response(409, "voice_clone_busy"), None),
    ],
)
async def test_a_full_vendor_is_retried_after_its_retry_after(response: httpx.Response, seconds: float | None) -> None:
    for error in (await create_error(response), await get_error(response)):
        assert type(error) is VendorRateLimited
        assert error.retry_after == seconds


def test_no_code_means_two_things() -> None:
    families = (PLAN_CODES, RATE_LIMIT_CODES, TRANSIENT_CODES, frozenset(INPUT_CODES))
    assert len(frozenset.union(*families)) == sum(map(len, families))


async def test_a_vendor_error_for_an_unaccepted_request_is_retryable() -> None:
    for code in TRANSIENT_CODES:
        assert type(await create_error(error_response(422, code))) is VendorUnavailable


@pytest.mark.parametrize(
    "code", ["IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_PAYLOAD_MISMATCH", "generation_conflict", None]
)
async def test_another_request_under_our_key_is_for_an_operator(code: str | None) -> None:
    error = await create_error(error_response(409, code))
    assert type(error) is SubmissionConflict
    assert isinstance(error, JobParked)
    assert "another request under this job's idempotency key" in str(error)
    assert "what the vendor says" in str(error)


async def test_a_key_conflict_may_also_come_as_422() -> None:
    assert type(await create_error(error_response(422, "IDEMPOTENCY_KEY_REUSED"))) is SubmissionConflict


async def test_a_request_in_progress_is_resolved_by_the_same_key() -> None:
    assert type(await create_error(error_response(409, "IDEMPOTENCY_REQUEST_IN_PROGRESS"))) is OutcomeUnknown


@pytest.mark.parametrize(
    ("more", "vendor_id"), [({}, None), ({"generationId": "g-7"}, "g-7"), ({"generationId": 7}, "7")]
)
async def test_an_unknown_outcome_keeps_the_vendors_generation_id(more: dict[str, Any], vendor_id: str | None) -> None:
    for status in (503, 409):  # documented as 503; the code decides under any status
        error = await create_error(error_response(status, "IDEMPOTENCY_OUTCOME_UNKNOWN", **more))
        assert type(error) is OutcomeUnknown
        assert error.vendor_id == vendor_id


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
async def test_a_server_error_is_unknown_for_create_but_not_for_status(status: int) -> None:
    for response in (error_response(status, "internal_error", requestId="r-1"), httpx.Response(status, text="<html>")):
        assert type(await create_error(response)) is OutcomeUnknown
        assert type(await get_error(response)) is VendorUnavailable


async def test_a_server_error_may_carry_a_retry_after() -> None:
    error = await get_error(httpx.Response(503, headers={"retry-after": "12"}))
    assert isinstance(error, VendorUnavailable)
    assert error.retry_after == 12.0


async def test_an_unknown_generation_differs_from_an_unknown_url() -> None:
    known_route = await get_error(error_response(404, "generation_not_found"))
    assert type(known_route) is GenerationNotFound
    assert isinstance(known_route, PermanentError)
    wrong_route = await get_error(httpx.Response(404, json={"message": "Cannot GET /v2/x", "statusCode": 404}))
    assert isinstance(wrong_route, VendorUnavailable)
    assert "check its base URL (404): Cannot GET /v2/x" in str(wrong_route)


async def test_a_create_at_an_unknown_url_was_not_accepted() -> None:
    error = await create_error(httpx.Response(404, json={"message": "Cannot POST /v2/generate", "statusCode": 404}))
    assert type(error) is VendorRejected
    assert "Cannot POST /v2/generate" in str(error)


@pytest.mark.parametrize("code", ["invalid_generation_id", "unsupported_generation_id_format"])
async def test_an_id_that_the_vendor_cannot_read_is_refused(code: str) -> None:
    error = await get_error(error_response(400, code))
    assert isinstance(error, VendorRejected)
    assert error.vendor_code == code


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(400, json={"message": f"bad key {API_KEY}", "suggestion": f"replace {API_KEY}"}),
        httpx.Response(400, text=f"bad key {API_KEY}"),
        httpx.Response(500, json={"error": f"bad key {API_KEY}"}),
    ],
)
async def test_our_api_key_is_redacted_from_a_vendors_error(response: httpx.Response) -> None:
    error = await create_error(response)
    assert API_KEY not in f"{error} {error!r}"
    assert "bad key ***" in str(error)


async def test_our_link_signature_is_redacted_from_a_vendors_error() -> None:
    message = "https://s3.test/b/v.mp4?X-Amz-Signature=abc123 is not accessible"
    error = await create_error(error_response(422, "generation_input_video_inaccessible", message=message))
    assert str(error).endswith("https://s3.test/b/v.mp4 is not accessible")


async def test_a_gateway_error_page_is_reported_by_status_only() -> None:
    error = await create_error(httpx.Response(400, text="<html><h1>Bad Request</h1></html>"))
    assert str(error) == "Sync.so refused the request (400): Bad Request"
