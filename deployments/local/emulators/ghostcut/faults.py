"""The faults that only GhostCut has."""

import json
import time
from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.local.emulators.faults import COMMON_FAULTS, Fault, FaultRegistry, ResponseFault
from deployments.local.emulators.ghostcut.responses import SUCCESS_CODE, VendorApiError, error_response
from deployments.local.emulators.sqlite_store import Row


class ErrorCode(ResponseFault):
    """An envelope with an error code: 9999 (system error), 3006 (limit), or any other."""

    kind: Literal["code"]
    code: int = 9999

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        return error_response(request, VendorApiError(self.code))


class MissingWorkIds(ResponseFault):
    """The works are accepted, and the response contains only their project's id."""

    kind: Literal["no_work_ids"]
    when: Literal["before", "after"] = "after"

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        if response is None:
            return None
        given = json.loads(bytes(response.body))
        return JSONResponse(given | {"body": {"idProject": given["body"]["idProject"]}})


class ExpiredLink(ResponseFault):
    """The result's URL has expired."""

    kind: Literal["expired_link"]
    on: str = "file"

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        return Response("Forbidden", 403)


class ForcedStatus(Fault):
    """An accepted work ends with this status instead of a result."""

    kind: Literal["ends"]
    on: Literal["accepted"] = "accepted"
    status: int = Field(default=20, gt=1)
    detail: str = ""


class CallbackFault(Fault):
    """A callback is lost, sent twice, or sent again with another `videoUrl`."""

    kind: Literal["callback"]
    on: Literal["callback"] = "callback"
    effect: Literal["drop", "duplicate", "changed_url"]


class ListingFault(Fault):
    """A work in a list of works: without our URL, with its URL's query removed, or late.

    `times` counts the lists that would contain it; `seconds` is the delay.
    """

    kind: Literal["listed"]
    on: Literal["list"] = "list"
    effect: Literal["no_url", "bare_url", "late"]
    seconds: float = Field(default=3600.0, gt=0)

    def apply(self, work: Row) -> Row | None:
        """The work as listed; None while it is not listed."""
        if self.effect == "late":
            return None if time.time() < work["created_at"] + self.seconds else work
        return work | {"url": work["url"].partition("?")[0] if self.effect == "bare_url" else ""}


def create_fault_registry() -> FaultRegistry:
    return FaultRegistry(
        COMMON_FAULTS | ErrorCode | MissingWorkIds | ExpiredLink | ForcedStatus | CallbackFault | ListingFault,
        _is_success,
    )


def _is_success(response: Response) -> bool:
    """Business errors come with HTTP 200: the envelope's code counts."""
    if not isinstance(response, JSONResponse):
        return response.status_code < 400
    return bool(json.loads(bytes(response.body)).get("code") == SUCCESS_CODE)
