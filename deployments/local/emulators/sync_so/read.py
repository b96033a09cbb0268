"""The calls that read and delete generations."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from deployments.local.emulators.records import Row
from deployments.local.emulators.sync_so import answers
from deployments.local.emulators.sync_so.books import RUNNING
from deployments.local.emulators.sync_so.errors import Refusal
from deployments.local.emulators.sync_so.life import SyncSo
from deployments.local.emulators.sync_so.queries import Filter, Look


class Read:
    """Everything here is free of charge and safe to repeat."""

    def __init__(self, emulator: SyncSo) -> None:
        self._emulator = emulator

    async def one(self, request: Request) -> Response:
        look = Look.read(request)
        row = self._find(request)
        self._emulator.books.polled(row["id"])
        headers = {}
        if look.wait_seconds is not None:
            await self._emulator.until_ended(row["id"], look.wait_seconds)
            row = self._find(request)
            headers = {
                "X-Sync-Wait-Mode": "long_poll",
                "X-Sync-Wait-Timeout-Seconds": f"{look.wait_seconds:g}",
                "Retry-After": "2",
            }
        body = self._body(row)
        if look.with_progress:
            body["progress_percent"] = self._progress(row)
        return JSONResponse(body, headers=headers)

    async def several(self, request: Request) -> Response:
        """A bare array."""
        chosen = Filter.read(request).choose(self._emulator.books.kept())
        return JSONResponse([self._body(row) for row in chosen])

    async def count(self, request: Request) -> Response:
        statuses = Filter.read(request).statuses
        rows = self._emulator.books.kept()
        return JSONResponse({"count": sum(not statuses or row["status"] in statuses for row in rows)})

    async def download_link(self, request: Request) -> Response:
        """A fresh link as plain text."""
        row = self._find(request)
        if row["status"] != "COMPLETED":
            raise Refusal(404, "The generation has no output")
        return PlainTextResponse(self._emulator.links.fresh(row))

    async def delete(self, request: Request) -> Response:
        row = self._find(request)
        if row["status"] in RUNNING:
            raise Refusal.coded(409, "generation_not_deletable_while_processing")
        self._emulator.books.delete(row["id"])
        return Response(status_code=204)

    def _find(self, request: Request) -> Row:
        identity = request.path_params["id"]
        try:
            UUID(identity)
        except ValueError as error:
            raise Refusal.coded(400, "invalid_generation_id") from error
        row = self._emulator.books.find(identity)
        if row is None:
            raise Refusal.coded(404, "generation_not_found")
        return row

    def _body(self, row: Row) -> Row:
        url = self._emulator.links.current(row, self._emulator.settings.token_ttl)
        return answers.generation(row, url)

    def _progress(self, row: Row) -> int:
        """Percent; 100 only when it has ended."""
        if row["status"] not in RUNNING:
            return 100
        return min(99, int(100 * self._emulator.workshop.share_done(row["created_at"])))
