"""Faults that a test arms for the next N calls, optionally only for calls that contain a text."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse

Endpoint = Callable[[Request], Awaitable[Response]]
MatchTextOf = Callable[[Request, bytes], str]
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: the peer sees a reset, not an end


class Fault(BaseModel):
    """`on` names the call or event that fails, `times` how many of them, `match` a text that they must contain."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    on: str
    times: int = Field(default=1, ge=1)
    match: str = ""


class ResponseFault(Fault):
    """Replaces an HTTP response, before the request is processed or after it was accepted."""

    on: str = "submit"
    when: Literal["before", "after"] = "before"

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        """The response to send instead; None sends the real one."""
        raise NotImplementedError


class HttpError(ResponseFault):
    """An error page of the vendor's gateway, in HTML as gateways send it."""

    kind: Literal["http_error"]
    status: int = Field(default=502, ge=400, le=599)

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        return HTMLResponse(f"<html><body><h1>{self.status}</h1></body></html>", self.status)


class ConnectionReset(ResponseFault):
    """The connection is reset without a response."""

    kind: Literal["reset"]

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        transport: asyncio.Transport = request.state.transport
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        transport.abort()
        await asyncio.sleep(0)  # lets the server notice the reset before it gets a response
        return Response()


class SlowResponse(ResponseFault):
    """The response is right, and late."""

    kind: Literal["slow"]
    seconds: float = Field(default=1.0, gt=0)

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        await asyncio.sleep(self.seconds)
        return None


class MalformedResponse(ResponseFault):
    """The status is right, and the body is invalid JSON."""

    kind: Literal["malformed"]

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        status = response.status_code if response is not None else 200
        return Response('{"id": "', status, media_type="application/json")


class TruncatedDownload(ResponseFault):
    """The connection closes after half of the file."""

    kind: Literal["truncated_download"]
    on: str = "file"
    when: Literal["before", "after"] = "after"

    async def inject(self, request: Request, response: Response | None) -> Response | None:
        if not isinstance(response, FileResponse):
            return None
        content = await asyncio.to_thread(Path(response.path).read_bytes)
        headers = {"content-length": str(len(content)), "content-type": "video/mp4"}
        return StreamingResponse(_first_half(content, request.state.transport), headers=headers)


async def _first_half(content: bytes, transport: asyncio.Transport) -> AsyncIterator[bytes]:
    yield content[: len(content) // 2]
    transport.close()
    await asyncio.sleep(60)  # the lost connection cancels this; ending here would count as a server error


COMMON_FAULTS = HttpError | ConnectionReset | SlowResponse | MalformedResponse | TruncatedDownload
FaultT = TypeVar("FaultT", bound=Fault)


class FaultRegistry:
    """The armed faults. `kinds` is the union of a vendor's fault models; `is_success` tells accepted from rejected."""

    def __init__(self, kinds: Any, is_success: Callable[[Response], bool]) -> None:
        self._adapter: TypeAdapter[Fault] = TypeAdapter(Annotated[kinds, Field(discriminator="kind")])
        self._is_success = is_success
        self._armed: list[Fault] = []

    def arm(self, payload: object) -> None:
        """Add a fault from its JSON form. Raises pydantic's ValidationError."""
        self._armed.append(self._adapter.validate_python(payload))

    def disarm(self) -> None:
        self._armed.clear()

    def armed_faults(self) -> list[dict[str, Any]]:
        return [fault.model_dump() for fault in self._armed]

    def consume(self, kind: type[FaultT], on: str, request_text: str) -> FaultT | None:
        """The first armed fault of that kind for the call `on` that matches `request_text`; uses one of its `times`."""
        for fault in self._armed:
            if isinstance(fault, kind) and fault.on == on and fault.match in request_text:
                fault.times -= 1
                if not fault.times:
                    self._armed.remove(fault)
                return fault
        return None

    def _restore(self, fault: Fault) -> None:
        fault.times += 1
        if fault not in self._armed:
            self._armed.insert(0, fault)

    def wrap_endpoint(self, on: str, endpoint: Endpoint, match_text_of: MatchTextOf) -> Endpoint:
        """The endpoint with faults. `match_text_of` adds text to match: the request that submitted the job."""

        async def with_faults(request: Request) -> Response:
            if not self._armed:
                return await endpoint(request)
            body = await request.body()
            called = f"{request.method} {request.url}\n{body.decode(errors='replace')}"
            fault = self.consume(ResponseFault, on, f"{called}\n{match_text_of(request, body)}")
            if fault is None:
                return await endpoint(request)
            answer = None
            if fault.when == "after":
                answer = await self._call_or_restore(fault, endpoint, request)
                if not self._is_success(answer):
                    return answer
            return await fault.inject(request, answer) or answer or await endpoint(request)

        return with_faults

    async def _call_or_restore(self, fault: Fault, endpoint: Endpoint, request: Request) -> Response:
        """A fault for after an accepted call stays armed if the call is rejected."""
        try:
            response = await endpoint(request)
        except Exception:
            self._restore(fault)
            raise
        if not self._is_success(response):
            self._restore(fault)
        return response
