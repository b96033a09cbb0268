"""Reads request bodies: bounded bytes, strict JSON, models."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from deployments.api.errors import ApiError, validation_error
from videojobs.errors import FieldError, ProblemCode
from videojobs.requests.parsing import parse_json_strict

ModelT = TypeVar("ModelT", bound=BaseModel)

_MAX_REPORTED_ERRORS: Final = 5000  # as in `videojobs.requests.parsing`


def reject_content_encoding(request: Request) -> None:
    """Raises ApiError (415) for a compressed body: its unpacked size is not bounded."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "Send the body without a Content-Encoding.")


async def read_body(request: Request, limit: int) -> bytes:
    """The body. Raises HTTPException: 413 above `limit` bytes, 400 if the client disconnects."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HTTPException(413, "The body is too large.")
    except ClientDisconnect as error:
        raise HTTPException(400, "The connection was closed before the end of the body.") from error
    return bytes(body)


async def read_json_object(request: Request) -> Mapping[str, object]:
    """The body as a JSON object. Raises ApiError (400, 415, 422)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "Send the request as application/json.")
    try:
        raw = parse_json_strict((await request.body()).decode())
    except UnicodeDecodeError:
        raise ApiError(400, "The body is not valid UTF-8.") from None
    except ValueError as error:
        raise ApiError(400, f"The body {error}.") from None
    if not isinstance(raw, dict):
        raise validation_error([FieldError("request", "must be an object", ProblemCode.WRONG_TYPE)])
    return raw


async def read_json_as(request: Request, model: type[ModelT]) -> ModelT:
    """The body as a model. An endpoint calls this after authentication; FastAPI would parse a parameter before it."""
    await read_json_object(request)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        if (count := error.error_count()) > _MAX_REPORTED_ERRORS:
            message = f"has {count} mistakes, too many to list them"
            raise validation_error([FieldError("request", message, ProblemCode.TOO_MANY)]) from None
        errors = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in errors]) from None


def openapi_json_body(model: type[BaseModel], example: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The OpenAPI description of a JSON body that `read_json_as` or `read_json_object` reads."""
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
