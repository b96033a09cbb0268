"""The faults that only Sync.so has."""

import json
from http import HTTPStatus
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.local.emulators.faults import COMMON_FAULTS, Fault, FaultRegistry, ResponseFault
from deployments.local.emulators.sync_so.errors import CATALOG, VendorApiError, concurrency_limit_error, error_response


class RateLimited(ResponseFault):
    """Too many requests: the plain form of the 429."""

    kind: Literal["rate_limited"]
    retry_after: float | None = Field(default=None, ge=0)

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        refusal = error_response(request, VendorApiError.from_catalog(429, "rate_limit_exceeded"))
        if self.retry_after is not None:
            refusal.headers["Retry-After"] = f"{self.retry_after:g}"
        return refusal


class ClientErrorFault(ResponseFault):
    """An error in the vendor's own form: a 401 for a key in rotation, a 404 for an id that is too new."""

    kind: Literal["refused"]
    status: int = Field(default=401, ge=400, le=499)
    code: str | None = Field(default=None, alias="errorCode")

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        return error_response(request, VendorApiError(self.status, HTTPStatus(self.status).phrase, self.code))


class ConcurrencyLimited(ResponseFault):
    """A 429 for too many concurrent generations, in its extended form."""

    kind: Literal["no_free_slot"]

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        return error_response(request, concurrency_limit_error(1, 1))


class OutcomeUnknown(ResponseFault):
    """The generation is created, and the vendor reports an unknown outcome. The response may contain the id."""

    kind: Literal["outcome_unknown"]
    when: Literal["before", "after"] = "after"
    with_id: bool = True

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        refusal = VendorApiError(503, "The outcome of the original request is unknown", "IDEMPOTENCY_OUTCOME_UNKNOWN")
        if self.with_id and response is not None:
            refusal.body["generationId"] = json.loads(bytes(response.body))["id"]
        return JSONResponse(refusal.body, 503)


class ExpiredLink(ResponseFault):
    """The result URL expired early."""

    kind: Literal["expired_link"]
    on: str = "result"

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        return error_response(request, VendorApiError(403, "The link has expired"))


class ForcedStatus(Fault):
    """An accepted generation ends without a result, with this code."""

    kind: Literal["ends"]
    on: Literal["accepted"] = "accepted"
    status: Literal["FAILED", "REJECTED"] = "FAILED"
    code: str = Field(default="generation_pipeline_failed", alias="errorCode")
    error: str | None = None

    def message(self) -> str:
        return self.error or CATALOG.get(self.code, "The generation failed")


class WebhookFault(Fault):
    """A webhook is lost, sent twice, signed with another secret, or has a signature from an hour ago."""

    kind: Literal["webhook"]
    on: Literal["webhook"] = "webhook"
    effect: Literal["drop", "duplicate", "wrong_signature", "old"]


def create_fault_registry() -> FaultRegistry:
    kinds = (
        COMMON_FAULTS
        | RateLimited
        | ClientErrorFault
        | ConcurrencyLimited
        | OutcomeUnknown
        | ExpiredLink
        | ForcedStatus
        | WebhookFault
    )
    return FaultRegistry(kinds, is_success=lambda answer: answer.status_code < 400)
