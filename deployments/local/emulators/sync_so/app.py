"""The addresses of Sync.so's API, who may call them, and which faults they are open to."""

import hmac
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.local.emulators.control import ExceptionHandler, application
from deployments.local.emulators.faults import Endpoint
from deployments.local.emulators.sync_so.errors import Refusal, refusal_answer
from deployments.local.emulators.sync_so.life import SyncSo
from deployments.local.emulators.sync_so.public import Public
from deployments.local.emulators.sync_so.read import Read
from deployments.local.emulators.sync_so.submit import Submit


class Api:
    """One emulator's routes."""

    def __init__(self, emulator: SyncSo, api_key: str) -> None:
        self._emulator = emulator
        self._api_key = api_key

    def application(self) -> Starlette:
        handlers: dict[Any, ExceptionHandler] = {Refusal: refusal_answer, HTTPException: refusal_answer}
        return application(self._emulator, [*self._generations(), *self._others()], handlers)

    def _generations(self) -> list[Route]:
        submit, read = Submit(self._emulator), Read(self._emulator)
        return [
            Route("/v2/generate", self._call("submit", self._noted(self._keyed(submit.create))), methods=["POST"]),
            Route("/v2/generate/{id}", self._call("status", self._keyed(read.one))),
            Route("/v2/generations", self._call("list", self._keyed(read.several))),
            Route("/v2/generations/count", self._call("list", self._keyed(read.count))),
            Route("/v2/generations/{id}/download", self._call("link", self._keyed(read.download_link))),
            Route("/v2/generations/{id}", self._call("delete", self._keyed(read.delete)), methods=["DELETE"]),
        ]

    def _others(self) -> list[Route]:
        public = Public(self._emulator)
        by_duration = self._call("estimate", self._keyed(public.estimate_by_duration))
        by_request = self._call("estimate", self._keyed(public.estimate_by_request))
        return [
            Route("/v2/generations/{id}/result", self._call("result", public.result)),
            Route("/storage/results/uploads/{name}", public.stored_upload),
            Route("/storage/results/{id}/{token}.mp4", self._call("file", public.stored_result)),
            Route("/v2/models", self._call("models", self._keyed(public.models))),
            Route("/v2/errors", public.errors),
            Route("/v2/generations/estimate", by_duration, methods=["POST"]),
            Route("/v2/generate/estimate-cost", by_duration, methods=["POST"]),
            Route("/v2/analyze/cost", by_request, methods=["POST"]),
        ]

    def _noted(self, endpoint: Endpoint) -> Endpoint:
        """Enter every refused submission in the books."""

        async def noting(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Refusal as refusal:
                body = await request.body()
                self._emulator.books.refused(refusal.status, refusal.code, str(refusal), body)
                raise

        return noting

    def _call(self, name: str, endpoint: Endpoint) -> Endpoint:
        """A call under the name that faults are aimed at."""
        return self._emulator.counted(name, self._emulator.faults.spoils(name, endpoint, about=self._submitted))

    def _keyed(self, endpoint: Endpoint) -> Endpoint:
        """A call that needs the API key."""

        async def authenticated(request: Request) -> Response:
            key = request.headers.get("x-api-key")
            if key is None:
                raise Refusal(401, "Either Cookie or x-api-key header must be provided")
            if not hmac.compare_digest(key.encode(), self._api_key.encode()):
                refusal = Refusal(401, "Unauthorized")
                del refusal.body["error"]  # this one comes without (fact sheet 1)
                raise refusal
            return await endpoint(request)

        return authenticated

    def _submitted(self, request: Request, _body: bytes) -> str:
        """What the generation that a call is about was submitted with."""
        row = self._emulator.books.find(request.path_params.get("id", ""))
        return row["request"] if row is not None else ""
