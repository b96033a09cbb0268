"""GhostCut's API: its routes, authentication, and fault injection."""

import hmac
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.local.emulators.control import ExceptionHandler, create_app
from deployments.local.emulators.faults import Endpoint
from deployments.local.emulators.ghostcut.lifecycle import GhostCutEmulator
from deployments.local.emulators.ghostcut.read import ReadApi, has_ids
from deployments.local.emulators.ghostcut.responses import VendorApiError, error_response
from deployments.local.emulators.ghostcut.signing import sign
from deployments.local.emulators.ghostcut.submit import SubmitApi

API_PREFIX = "/v-w-c/gateway/ve"
ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]  # only POST succeeds; the others get an error response


class Api:
    """One emulator's routes. Business errors are HTTP 200 with a code."""

    def __init__(self, emulator: GhostCutEmulator, app_key: str, app_secret: str) -> None:
        self._emulator = emulator
        self._app_key = app_key
        self._app_secret = app_secret

    def build_app(self) -> Starlette:
        read = ReadApi(self._emulator)
        submit = self._instrument(
            "submit", self._record_refusals(self._require_signature(SubmitApi(self._emulator).create))
        )
        routes = [
            _route(f"{API_PREFIX}/work/free", submit),
            _route(f"{API_PREFIX}/work/fast", submit),
            _route(f"{API_PREFIX}/work/status", self._status_endpoint(read)),
            _route(f"{API_PREFIX}/work/list", self._instrument("list", self._require_signature(read.list_works))),
            _route(f"{API_PREFIX}/point/query", self._instrument("points", self._require_signature(read.points))),
            _route("/v-w-c/enum/query2", self._instrument("enum", _require_post(read.enum))),
            Route("/cdn/{key}.mp4", self._instrument("file", read.file)),
        ]
        handlers: dict[Any, ExceptionHandler] = {VendorApiError: error_response, HTTPException: error_response}
        return create_app(self._emulator, routes, handlers)

    def _instrument(self, name: str, endpoint: Endpoint) -> Endpoint:
        """Count the call, and inject faults, under `name`."""
        return self._emulator.count_calls(
            name, self._emulator.faults.wrap_endpoint(name, endpoint, match_text_of=self._submitted_request)
        )

    def _status_endpoint(self, read: ReadApi) -> Endpoint:
        """Without ids it lists works, and takes the faults of lists."""
        of_ids, of_all = (
            self._instrument("status", self._require_signature(read.status)),
            self._instrument("list", self._require_signature(read.list_works)),
        )

        async def status(request: Request) -> Response:
            return await (of_ids if has_ids(await request.body()) else of_all)(request)

        return status

    def _submitted_request(self, request: Request, body: bytes) -> str:
        """The submissions of the works that a call refers to."""
        if "key" in request.path_params:
            row = self._emulator.db.find_by_file_key(request.path_params["key"])
            return row["request"] if row is not None else ""
        if not request.url.path.endswith("/status"):
            return ""
        return (
            "\n".join(row["request"] for row in ReadApi(self._emulator).requested_works(body)) if has_ids(body) else ""
        )

    def _record_refusals(self, endpoint: Endpoint) -> Endpoint:
        """Store every rejected submission."""

        async def wrapped(request: Request) -> Response:
            try:
                return await endpoint(request)
            except VendorApiError as refusal:
                body = await request.body()
                self._emulator.db.record_refusal(200, str(refusal.code), refusal.message, body)
                raise

        return wrapped

    def _require_signature(self, endpoint: Endpoint) -> Endpoint:
        """Require a POST, and a signature of its exact bytes with the account's secret."""

        async def checked(request: Request) -> Response:
            key, signature = request.headers.get("AppKey"), request.headers.get("AppSign")
            if not key or not signature:
                raise VendorApiError(2001)
            if not hmac.compare_digest(key.encode(), self._app_key.encode()):
                raise VendorApiError(2003)
            right = sign(await request.body(), self._app_secret)
            if not hmac.compare_digest(signature.encode(), right.encode()):
                raise VendorApiError(2004)
            return await endpoint(request)

        return _require_post(checked)


def _route(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=ALL_METHODS)


def _require_post(endpoint: Endpoint) -> Endpoint:
    async def wrapped(request: Request) -> Response:
        if request.method != "POST":
            raise VendorApiError(2002)
        return await endpoint(request)

    return wrapped
