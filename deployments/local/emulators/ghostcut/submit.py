"""POST work/free and work/fast: takes works, as often as they are sent."""

import json

from starlette.requests import Request
from starlette.responses import Response

from deployments.local.emulators.ghostcut.answers import Refusal, envelope
from deployments.local.emulators.ghostcut.checks import parameter_problem
from deployments.local.emulators.ghostcut.life import GhostCut
from deployments.local.emulators.ghostcut.shapes import read_request


class Submit:
    """No idempotency key, no client reference: a submission sent twice makes two paid works."""

    def __init__(self, emulator: GhostCut) -> None:
        self._emulator = emulator

    async def create(self, request: Request) -> Response:
        body = await request.body()
        wanted = read_request(body)
        problem = parameter_problem(wanted)
        if problem and self._emulator.settings.parameter_errors == "code":
            raise Refusal(4001, problem)
        works = [self._emulator.item(row) for row in self._emulator.accept(json.loads(body))]
        data = [{"url": work["url"], "id": work["id"]} for work in works]
        return envelope({"idProject": works[0]["idProject"], "dataList": data})
