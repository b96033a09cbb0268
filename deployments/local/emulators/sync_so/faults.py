"""The faults that only Sync.so has."""

import json
from http import HTTPStatus
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.local.emulators.faults import COMMON_FAULTS, AnswerFault, Fault, FaultBox
from deployments.local.emulators.sync_so.errors import CATALOG, Refusal, no_free_slot, refusal_answer


class RateLimited(AnswerFault):
    """Too many requests: the plain form of the 429."""

    kind: Literal["rate_limited"]
    retry_after: float | None = Field(default=None, ge=0)

    async def spoil(self, request: Request, answer: Response | None) -> Response | None:
        refusal = refusal_answer(request, Refusal.coded(429, "rate_limit_exceeded"))
        if self.retry_after is not None:
            refusal.headers["Retry-After"] = f"{self.retry_after:g}"
        return refusal


class Refused(AnswerFault):
    """A refusal in the vendor's own form: a 401 for a key in rotation, a 404 for an id that is too new."""

    kind: Literal["refused"]
    status: int = Field(default=401, ge=400, le=499)
    code: str | None = Field(default=None, alias="errorCode")

    async def spoil(self, request: Request, answer: Response | None) -> Response | None:
        return refusal_answer(request, Refusal(self.status, HTTPStatus(self.status).phrase, self.code))


class NoFreeSlot(AnswerFault):
    """Too many generations at once, as far as this request is told: the extended form of the 429."""

    kind: Literal["no_free_slot"]

    async def spoil(self, request: Request, answer: Response | None) -> Response | None:
        return refusal_answer(request, no_free_slot(1, 1))


class OutcomeUnknown(AnswerFault):
    """The generation is created, and the vendor says that it does not know. It may name the id."""

    kind: Literal["outcome_unknown"]
    when: Literal["before", "after"] = "after"
    with_id: bool = True

    async def spoil(self, request: Request, answer: Response | None) -> Response | None:
        refusal = Refusal(503, "The outcome of the original request is unknown", "IDEMPOTENCY_OUTCOME_UNKNOWN")
        if self.with_id and answer is not None:
            refusal.body["generationId"] = json.loads(bytes(answer.body))["id"]
        return JSONResponse(refusal.body, 503)


class ExpiredLink(AnswerFault):
    """The result link has expired before its time."""

    kind: Literal["expired_link"]
    on: str = "result"

    async def spoil(self, request: Request, answer: Response | None) -> Response | None:
        return refusal_answer(request, Refusal(403, "The link has expired"))


class Ends(Fault):
    """An accepted generation ends without a result, with this code."""

    kind: Literal["ends"]
    on: Literal["accepted"] = "accepted"
    status: Literal["FAILED", "REJECTED"] = "FAILED"
    code: str = Field(default="generation_pipeline_failed", alias="errorCode")
    error: str | None = None

    def message(self) -> str:
        return self.error or CATALOG.get(self.code, "The generation failed")


class Webhook(Fault):
    """A webhook is lost, comes twice, carries a signature made with another secret, or one of an hour ago."""

    kind: Literal["webhook"]
    on: Literal["webhook"] = "webhook"
    effect: Literal["drop", "duplicate", "wrong_signature", "old"]


def fault_box() -> FaultBox:
    kinds = COMMON_FAULTS | RateLimited | Refused | NoFreeSlot | OutcomeUnknown | ExpiredLink | Ends | Webhook
    return FaultBox(kinds, accepted=lambda answer: answer.status_code < 400)
