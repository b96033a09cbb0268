"""Routes without API key (results, storage, the error catalog), and information (models, prices)."""

import asyncio
import tempfile
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from deployments.local.emulators.sync_so import inputs, media, prices, request_body
from deployments.local.emulators.sync_so.errors import CATALOG, GenerationFailed, VendorApiError
from deployments.local.emulators.sync_so.lifecycle import SyncSoEmulator
from deployments.local.emulators.sync_so.schemas import parse_request
from deployments.local.emulators.sync_so.validation import validate_request

STORAGE_ERROR_XML = "<Error><Code>{code}</Code><Message>{message}</Message></Error>"


class EstimateRequest(BaseModel):
    """`duration` in seconds, `fps` in frames per second."""

    model: str
    duration: float = Field(gt=0)
    fps: float = Field(default=30, gt=0)


class PublicApi:
    """Results and information."""

    def __init__(self, emulator: SyncSoEmulator) -> None:
        self._emulator = emulator

    async def result(self, request: Request) -> Response:
        """The `outputUrl`: redirects to the storage while its token works."""
        identity, token = request.path_params["id"], request.query_params.get("token", "")
        if not self._emulator.links.is_valid(identity, token, self._emulator.settings.token_ttl):
            raise VendorApiError(403, "The link is invalid or has expired")
        return RedirectResponse(self._emulator.links.storage_url(identity, token), 302)

    async def stored_result(self, request: Request) -> Response:
        """The storage host. It needs no API key; one that arrives here has leaked."""
        if "x-api-key" in request.headers:
            return _storage_error(400, "InvalidArgument", "An API key was sent to the storage host")
        identity, token = request.path_params["id"], request.path_params["token"]
        if not self._emulator.links.is_valid(identity, token, self._emulator.settings.token_ttl):
            return _storage_error(403, "AccessDenied", "Request has expired")
        return FileResponse(self._emulator.result_file(identity), media_type="video/mp4")

    async def stored_upload(self, request: Request) -> Response:
        file = self._emulator.results / "uploads" / Path(request.path_params["name"]).name
        if not file.is_file():
            return _storage_error(404, "NoSuchKey", "The specified key does not exist")
        return FileResponse(file)

    async def errors(self, _request: Request) -> Response:
        return JSONResponse([{"code": code, "message": text, "suggestion": None} for code, text in CATALOG.items()])

    async def models(self, _request: Request) -> Response:
        return JSONResponse(prices.model_catalog())

    async def estimate_by_duration(self, request: Request) -> Response:
        """`{model, duration, fps}`: the newer form of the estimate."""
        body = request_body.parse_json(await request.body())
        try:
            estimate_request = EstimateRequest.model_validate(body)
        except ValidationError as error:
            raise VendorApiError.from_catalog(422, "cost_estimate_unavailable") from error
        if estimate_request.model not in prices.MODELS:
            raise VendorApiError.from_catalog(422, "cost_estimate_unavailable")
        return JSONResponse(
            {
                "estimatedFrameCount": prices.billed_frames(estimate_request.duration, estimate_request.fps),
                "estimatedGenerationCost": prices.price(estimate_request.model, estimate_request.duration),
                "estimatedCredits": None,
            }
        )

    async def estimate_by_request(self, request: Request) -> Response:
        """The body of a generation, without creating it: the older form, which the SDK uses."""
        generate_request = parse_request(request_body.parse_json(await request.body()))
        validate_request(generate_request)
        emulator = self._emulator
        with tempfile.TemporaryDirectory(dir=emulator.scratch) as folder:
            try:
                recipe = await inputs.download_media(
                    emulator.http_client, generate_request, Path(folder), emulator.settings
                )
                cut = await asyncio.to_thread(media.decode_media, recipe)
            except GenerationFailed as failure:
                raise VendorApiError(422, str(failure), failure.code) from failure
        seconds = len(cut.frame_order) / float(cut.rate)
        cost = prices.price(generate_request.model, seconds)
        return JSONResponse([{"estimatedFrameCount": len(cut.frame_order), "estimatedGenerationCost": cost}])


def _storage_error(status: int, code: str, message: str) -> Response:
    text = STORAGE_ERROR_XML.format(code=code, message=message)
    return Response(text, status, media_type="application/xml")
