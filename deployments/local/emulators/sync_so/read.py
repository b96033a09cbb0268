"""The calls that read and delete generations."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.sync_so import responses
from deployments.local.emulators.sync_so.db import RUNNING
from deployments.local.emulators.sync_so.errors import VendorApiError
from deployments.local.emulators.sync_so.lifecycle import SyncSoEmulator
from deployments.local.emulators.sync_so.queries import ListQuery, StatusQuery


class ReadApi:
    """Everything here is free of charge and safe to repeat."""

    def __init__(self, emulator: SyncSoEmulator) -> None:
        self._emulator = emulator

    async def get_generation(self, request: Request) -> Response:
        query = StatusQuery.from_request(request)
        row = self._find(request)
        self._emulator.db.count_poll(row["id"])
        headers = {}
        if query.wait_seconds is not None:
            await self._emulator.wait_until_ended(row["id"], query.wait_seconds)
            row = self._find(request)
            headers = {
                "X-Sync-Wait-Mode": "long_poll",
                "X-Sync-Wait-Timeout-Seconds": f"{query.wait_seconds:g}",
                "Retry-After": "2",
            }
        body = self._to_json(row)
        if query.with_progress:
            body["progress_percent"] = self._progress(row)
        return JSONResponse(body, headers=headers)

    async def list_generations(self, request: Request) -> Response:
        """A bare array."""
        chosen = ListQuery.from_request(request).select_page(self._emulator.db.list_generations())
        return JSONResponse([self._to_json(row) for row in chosen])

    async def count_generations(self, request: Request) -> Response:
        statuses = ListQuery.from_request(request).statuses
        rows = self._emulator.db.list_generations()
        return JSONResponse({"count": sum(not statuses or row["status"] in statuses for row in rows)})

    async def download_link(self, request: Request) -> Response:
        """A new result URL as plain text."""
        row = self._find(request)
        if row["status"] != "COMPLETED":
            raise VendorApiError(404, "The generation has no output")
        return PlainTextResponse(self._emulator.links.new_url(row))

    async def delete(self, request: Request) -> Response:
        row = self._find(request)
        if row["status"] in RUNNING:
            raise VendorApiError.from_catalog(409, "generation_not_deletable_while_processing")
        self._emulator.db.mark_deleted(row["id"])
        return Response(status_code=204)

    def _find(self, request: Request) -> Row:
        identity = request.path_params["id"]
        try:
            UUID(identity)
        except ValueError as error:
            raise VendorApiError.from_catalog(400, "invalid_generation_id") from error
        row = self._emulator.db.find_generation(identity)
        if row is None:
            raise VendorApiError.from_catalog(404, "generation_not_found")
        return row

    def _to_json(self, row: Row) -> Row:
        url = self._emulator.links.current_url(row, self._emulator.settings.token_ttl)
        return responses.generation_json(row, url)

    def _progress(self, row: Row) -> int:
        """Percent; 100 only when it has ended."""
        if row["status"] not in RUNNING:
            return 100
        return min(99, int(100 * self._emulator.runner.progress_ratio(row["created_at"])))
