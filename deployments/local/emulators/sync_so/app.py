"""Sync.so's API: its routes, authentication, and fault injection."""

import hmac
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.local.emulators.control import ExceptionHandler, create_app
from deployments.local.emulators.faults import Endpoint
from deployments.local.emulators.sync_so.errors import VendorApiError, error_response
from deployments.local.emulators.sync_so.lifecycle import SyncSoEmulator
from deployments.local.emulators.sync_so.public import PublicApi
from deployments.local.emulators.sync_so.read import ReadApi
from deployments.local.emulators.sync_so.submit import SubmitApi


class Api:
    """One emulator's routes."""

    def __init__(self, emulator: SyncSoEmulator, api_key: str) -> None:
        self._emulator = emulator
        self._api_key = api_key

    def build_app(self) -> Starlette:
        handlers: dict[Any, ExceptionHandler] = {VendorApiError: error_response, HTTPException: error_response}
        return create_app(self._emulator, [*self._generation_routes(), *self._other_routes()], handlers)

    def _generation_routes(self) -> list[Route]:
        submit, read = SubmitApi(self._emulator), ReadApi(self._emulator)
        return [
            Route(
                "/v2/generate",
                self._instrument("submit", self._record_refusals(self._require_api_key(submit.create))),
                methods=["POST"],
            ),
            Route("/v2/generate/{id}", self._instrument("status", self._require_api_key(read.get_generation))),
            Route("/v2/generations", self._instrument("list", self._require_api_key(read.list_generations))),
            Route("/v2/generations/count", self._instrument("list", self._require_api_key(read.count_generations))),
            Route("/v2/generations/{id}/download", self._instrument("link", self._require_api_key(read.download_link))),
            Route(
                "/v2/generations/{id}",
                self._instrument("delete", self._require_api_key(read.delete)),
                methods=["DELETE"],
            ),
        ]

    def _other_routes(self) -> list[Route]:
        public = PublicApi(self._emulator)
        by_duration = self._instrument("estimate", self._require_api_key(public.estimate_by_duration))
        by_request = self._instrument("estimate", self._require_api_key(public.estimate_by_request))
        return [
            Route("/v2/generations/{id}/result", self._instrument("result", public.result)),
            Route("/storage/results/uploads/{name}", public.stored_upload),
            Route("/storage/results/{id}/{token}.mp4", self._instrument("file", public.stored_result)),
            Route("/v2/models", self._instrument("models", self._require_api_key(public.models))),
            Route("/v2/errors", public.errors),
            Route("/v2/generations/estimate", by_duration, methods=["POST"]),
            Route("/v2/generate/estimate-cost", by_duration, methods=["POST"]),
            Route("/v2/analyze/cost", by_request, methods=["POST"]),
        ]

    def _record_refusals(self, endpoint: Endpoint) -> Endpoint:
        """Store every rejected submission."""

        async def wrapped(request: Request) -> Response:
            try:
                return await endpoint(request)
            except VendorApiError as refusal:
                body = await request.body()
                self._emulator.db.record_refusal(refusal.status, refusal.code, str(refusal), body)
                raise

        return wrapped

    def _instrument(self, name: str, endpoint: Endpoint) -> Endpoint:
        """Count the call, and inject faults, under `name`."""
        return self._emulator.count_calls(
            name, self._emulator.faults.wrap_endpoint(name, endpoint, match_text_of=self._submitted_request)
        )

    def _require_api_key(self, endpoint: Endpoint) -> Endpoint:
        """Require the API key."""

        async def authenticated(request: Request) -> Response:
            key = request.headers.get("x-api-key")
            if key is None:
                raise VendorApiError(401, "Either Cookie or x-api-key header must be provided")
            if not hmac.compare_digest(key.encode(), self._api_key.encode()):
                refusal = VendorApiError(401, "Unauthorized")
                del refusal.body["error"]  # this 401 has none (fact sheet 1)
                raise refusal
            return await endpoint(request)

        return authenticated

    def _submitted_request(self, request: Request, _body: bytes) -> str:
        """The submission of the generation that a call refers to."""
        row = self._emulator.db.find_generation(request.path_params.get("id", ""))
        return row["request"] if row is not None else ""
