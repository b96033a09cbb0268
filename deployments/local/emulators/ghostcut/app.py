"""The addresses of GhostCut's API, who may call them, and which faults they are open to."""

import hmac
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.local.emulators.control import ExceptionHandler, application
from deployments.local.emulators.faults import Endpoint
from deployments.local.emulators.ghostcut.answers import Refusal, refusal_answer
from deployments.local.emulators.ghostcut.life import GhostCut
from deployments.local.emulators.ghostcut.read import Read, names_works
from deployments.local.emulators.ghostcut.signing import sign
from deployments.local.emulators.ghostcut.submit import Submit

GATEWAY = "/v-w-c/gateway/ve"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]  # all are answered, only POST with a yes


class Api:
    """One emulator's routes. Business errors are HTTP 200 with a code."""

    def __init__(self, emulator: GhostCut, app_key: str, app_secret: str) -> None:
        self._emulator = emulator
        self._app_key = app_key
        self._app_secret = app_secret

    def application(self) -> Starlette:
        read = Read(self._emulator)
        submit = self._call("submit", self._noted(self._signed(Submit(self._emulator).create)))
        routes = [
            _posted(f"{GATEWAY}/work/free", submit),
            _posted(f"{GATEWAY}/work/fast", submit),
            _posted(f"{GATEWAY}/work/status", self._status(read)),
            _posted(f"{GATEWAY}/work/list", self._call("list", self._signed(read.works))),
            _posted(f"{GATEWAY}/point/query", self._call("points", self._signed(read.points))),
            _posted("/v-w-c/enum/query2", self._call("enum", _only_post(read.enum))),
            Route("/cdn/{key}.mp4", self._call("file", read.file)),
        ]
        handlers: dict[Any, ExceptionHandler] = {Refusal: refusal_answer, HTTPException: refusal_answer}
        return application(self._emulator, routes, handlers)

    def _call(self, name: str, endpoint: Endpoint) -> Endpoint:
        """A call under the name that faults are aimed at."""
        return self._emulator.counted(name, self._emulator.faults.spoils(name, endpoint, about=self._submitted))

    def _status(self, read: Read) -> Endpoint:
        """Without ids it is a list of works, and open to what can go wrong with lists."""
        of_ids, of_all = self._call("status", self._signed(read.status)), self._call("list", self._signed(read.works))

        async def status(request: Request) -> Response:
            return await (of_ids if names_works(await request.body()) else of_all)(request)

        return status

    def _submitted(self, request: Request, body: bytes) -> str:
        """What the works that a call is about were submitted with."""
        if "key" in request.path_params:
            row = self._emulator.books.by_file_key(request.path_params["key"])
            return row["request"] if row is not None else ""
        if not request.url.path.endswith("/status"):
            return ""
        return "\n".join(row["request"] for row in Read(self._emulator).asked(body)) if names_works(body) else ""

    def _noted(self, endpoint: Endpoint) -> Endpoint:
        """Enter every refused submission in the books."""

        async def noting(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Refusal as refusal:
                body = await request.body()
                self._emulator.books.refused(200, str(refusal.code), refusal.message, body)
                raise

        return noting

    def _signed(self, endpoint: Endpoint) -> Endpoint:
        """A POST whose exact bytes are signed with the account's secret."""

        async def checked(request: Request) -> Response:
            key, signature = request.headers.get("AppKey"), request.headers.get("AppSign")
            if not key or not signature:
                raise Refusal(2001)
            if not hmac.compare_digest(key.encode(), self._app_key.encode()):
                raise Refusal(2003)
            right = sign(await request.body(), self._app_secret)
            if not hmac.compare_digest(signature.encode(), right.encode()):
                raise Refusal(2004)
            return await endpoint(request)

        return _only_post(checked)


def _posted(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=METHODS)


def _only_post(endpoint: Endpoint) -> Endpoint:
    async def posted(request: Request) -> Response:
        if request.method != "POST":
            raise Refusal(2002)
        return await endpoint(request)

    return posted
