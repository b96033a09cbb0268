"""Requests in JSON: their files lie at links, or were sent to the storage before."""

import uuid
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from deployments.api.auth import Principal, Submitter
from deployments.api.background.job_creation import IdempotencyKey, create_job, launch_run, reject_content_encoding
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import ApiError, error_responses, validation_error
from deployments.api.schemas.jobs import JobCreated
from videojobs.db import ClientKey, JobRepository
from videojobs.errors import FieldError
from videojobs.requests.models import JobRequest, fingerprint
from videojobs.requests.parsing import parse_json_strict, parse_request
from videojobs.settings import AccessSettings

router = APIRouter(tags=["jobs"])

ModelT = TypeVar("ModelT", bound=BaseModel)

_MAX_REPORTED_ERRORS: Final = 5000  # errors, as in `videojobs.requests.parsing`
_OPENAPI_JSON_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/JobRequest"},
                "example": {
                    "video": "https://example.com/talk.mp4",
                    "audio": [{"refId": "audio-1", "source": "https://example.com/new-speech.wav"}],
                    "segments": [{"startTime": 0, "endTime": 1.8, "audioInput": {"refId": "audio-1"}}],
                    "effects": [],
                    "display_name": "My first job",
                },
            }
        },
    }
}


@router.post(
    "/jobs",
    status_code=202,
    responses=error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_OPENAPI_JSON_BODY,
    summary="Start a job",
)
async def create_job_from_json(
    request: Request, principal: Submitter, state: AppStateDep, idempotency_key: IdempotencyKey = None
) -> JobCreated:
    """Its files lie at https links, or were sent to the storage before (`/api/v1/uploads`)."""
    reject_content_encoding(request)
    raw = await read_json_object(request)
    await state.services.runs.ping()
    job_request = _parse_job_request(raw, principal)
    repository = await state.services.repository()
    sources = {"video": job_request.video} | {
        f"audio[{i}].source": item.source for i, item in enumerate(job_request.audio)
    }
    await require_own_uploads(repository, principal, sources)
    client_key = ClientKey(idempotency_key, fingerprint(job_request)) if idempotency_key else None
    job = await create_job(state, repository, str(uuid.uuid4()), job_request, principal, client_key)
    return await launch_run(state, job)


async def read_json_as(request: Request, model: type[ModelT]) -> ModelT:
    """The body as this model, read by an endpoint that knows its sender: as a parameter, it would be read before."""
    await read_json_object(request)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        if (count := error.error_count()) > _MAX_REPORTED_ERRORS:
            raise validation_error([FieldError("request", f"has {count} mistakes, too many to list them")]) from None
        errors = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in errors]) from None


def openapi_json_body(model: type[BaseModel]) -> dict[str, Any]:
    """What the OpenAPI document says of such a body."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    return {"requestBody": {"required": True, "content": content}}


async def read_json_object(request: Request) -> Mapping[str, object]:
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
        raise validation_error([FieldError("request", "must be an object")])
    return raw


def _parse_job_request(raw: Mapping[str, object], principal: Principal) -> JobRequest:
    # Files of this machine are for who works on it; a client would read what is not its own.
    return parse_request(with_owner(raw, principal), access=AccessSettings(allow_local_files=False))


def with_owner(raw: Mapping[str, object], principal: Principal) -> Mapping[str, object]:
    """The request, as its token's user's. Raises a refusal where it says to be somebody else's."""
    if raw.get("user_id", principal.user_id) != principal.user_id:
        raise validation_error([FieldError("user_id", "is not the user of your token; leave it out")])
    return {**raw, "user_id": principal.user_id}


async def require_own_uploads(repository: JobRepository, principal: Principal, sources: Mapping[str, str]) -> None:
    """What lies in our storage can be reached by our keys, so only one's own uploads may be named. By their fields."""
    stored = {path: source for path, source in sources.items() if source.lower().startswith("s3:")}
    own_uploads = await repository.filter_owned_sources(principal.user_id, list(stored.values())) if stored else set()
    problems = [
        FieldError(path, "is not an upload of yours that is complete and less than a week old; upload it first")
        for path, source in stored.items()
        if source not in own_uploads
    ]
    if problems:
        raise validation_error(problems)
