"""POST work/free and work/fast."""

import json

from starlette.requests import Request
from starlette.responses import Response

from deployments.local.emulators.ghostcut.lifecycle import GhostCutEmulator
from deployments.local.emulators.ghostcut.responses import VendorApiError, success_response
from deployments.local.emulators.ghostcut.schemas import parse_request
from deployments.local.emulators.ghostcut.validation import find_parameter_error


class SubmitApi:
    """No idempotency key and no client reference: sending a submission twice creates two paid works."""

    def __init__(self, emulator: GhostCutEmulator) -> None:
        self._emulator = emulator

    async def create(self, request: Request) -> Response:
        body = await request.body()
        work_request = parse_request(body)
        problem = find_parameter_error(work_request)
        if problem and self._emulator.settings.parameter_errors == "code":
            raise VendorApiError(4001, problem)
        works = [self._emulator.to_json(row) for row in self._emulator.accept(json.loads(body))]
        data = [{"url": work["url"], "id": work["id"]} for work in works]
        return success_response({"idProject": works[0]["idProject"], "dataList": data})
