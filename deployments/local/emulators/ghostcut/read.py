"""The free calls: status, points, the status enumeration, and the results themselves."""

import json
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from deployments.local.emulators.ghostcut import statuses
from deployments.local.emulators.ghostcut.faults import ListingFault
from deployments.local.emulators.ghostcut.lifecycle import GhostCutEmulator
from deployments.local.emulators.ghostcut.responses import VendorApiError, success_response
from deployments.local.emulators.ghostcut.schemas import parse_page_request
from deployments.local.emulators.sqlite_store import Row

POINTS_EXPIRE_MS = 4_102_444_800_000  # 2100-01-01, in milliseconds


class ReadApi:
    """Everything here is safe to repeat."""

    def __init__(self, emulator: GhostCutEmulator) -> None:
        self._emulator = emulator

    async def status(self, request: Request) -> Response:
        """The requested works, by id or project, without unknown ids."""
        rows = self.requested_works(await request.body())
        for row in rows:
            self._emulator.db.count_poll(row["id"])
        return success_response({"content": [self._emulator.to_json(row) for row in rows]}, count=len(rows))

    def requested_works(self, body: bytes) -> list[Row]:
        """The rows of the works in a status request; work ids take precedence. Raises VendorApiError 4001."""
        given = _parse_object(body)
        works, projects = _parse_ids(given.get("idWorks")), _parse_ids(given.get("idProjects"))
        return self._emulator.db.find_works(works, set() if works else projects)

    async def list_works(self, request: Request) -> Response:
        """A page of all works, newest first; `count` covers all pages. Rejects more than 2000 per page."""
        query = parse_page_request(await request.body())
        now, settings = time.time(), self._emulator.settings
        until = min(query.before, now - settings.list_lag_seconds)
        rows = [
            shown
            for row in self._emulator.db.list_created_between(query.since, until)
            if (shown := self._apply_listing_fault(row))
        ]
        page = rows[query.page * query.page_size :][: query.page_size]
        return success_response({"content": [self._emulator.to_json(row) for row in page]}, count=len(rows))

    def _apply_listing_fault(self, row: Row) -> Row | None:
        fault = self._emulator.faults.consume(ListingFault, "list", row["request"])
        return fault.apply(row) if fault else row

    async def points(self, request: Request) -> Response:
        """The account's assets: here always one."""
        given = _parse_object(await request.body())
        balance = self._emulator.settings.points
        asset = {
            "id": 1,
            "company": 1,
            "uid": "",
            "ctime": 0,
            "lutime": int(time.time() * 1000),
            "pointAmount": balance,
            "pointBalance": balance,
            "expireTime": POINTS_EXPIRE_MS,
            "orderNo": "",
            "remark": "",
        }
        assets = [] if given.get("notZero") and not balance else [asset]
        return success_response({"pointAssets": assets, "count": len(assets)})

    async def enum(self, request: Request) -> Response:
        """Only the enumeration in the fact sheet. The vendor's own descriptions are Chinese."""
        if _parse_object(await request.body()).get("text") != "ProcessStatus":
            return success_response([])
        return success_response(
            [
                {"code": code, "description": text, "descriptionEn": text, "descriptionPt": text}
                for code, text in statuses.DESCRIPTIONS.items()
            ]
        )

    async def file(self, request: Request) -> Response:
        """A result on the CDN, without login. Gone once the work has another `videoUrl`, or the link has expired."""
        row = self._emulator.db.find_by_file_key(request.path_params["key"])
        if row is None or row["status"] != statuses.SUCCESS:
            return Response("Not Found", 404)
        ttl = self._emulator.settings.result_ttl
        if ttl is not None and time.time() > row["ended_at"] + ttl:
            return Response("Forbidden", 403)
        return FileResponse(self._emulator.result_file(row["id"]), media_type="video/mp4")


def has_ids(body: bytes) -> bool:
    """Whether a status request contains ids; without them it lists all works."""
    try:
        given = _parse_object(body)
    except VendorApiError:
        return True
    return bool(given.get("idWorks") or given.get("idProjects"))


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError as error:
        raise VendorApiError(4001, "the body is not JSON") from error
    if not isinstance(given, dict):
        raise VendorApiError(4001, "the body is not a JSON object")
    return given


def _parse_ids(given: object) -> set[int]:
    """Ids as numbers or strings: the vendor's samples contain both."""
    items = given if isinstance(given, list) else []
    return {int(item) for item in items if str(item).isascii() and str(item).isdigit()}
