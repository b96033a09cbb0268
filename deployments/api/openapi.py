"""The OpenAPI document: FastAPI's, completed with the bodies and errors that it cannot know."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from deployments.api.errors import PROBLEM_MEDIA_TYPE
from deployments.api.schemas.problems import ProblemDetails
from deployments.api.schemas.uploads import UploadCreate, UploadParts
from deployments.api.schemas.webhooks import WebhookEndpointCreate, WebhookEndpointUpdate, WebhookReplaySince
from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import JobRequest

_WEBHOOK_REQUESTS: Final = (WebhookEndpointCreate, WebhookEndpointUpdate, WebhookReplaySince)
_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_API_DESCRIPTION: Final = """
Jobs replace the speech in time ranges of a video, and remove burned-in text from areas of the picture. Lectures produce
subtitles and a PDF of the slides; they are jobs, too, and are followed, cancelled and downloaded in the same way.

Every request needs a token: `Authorization: Bearer ...`. Errors are problem details (RFC 9457) with a `code`.
"""

# Relative: it holds behind every proxy and under every name, and generated clients ask for the host anyway.
_SERVERS: Final = [{"url": "/", "description": "The host that serves this document."}]
_TAGS: Final = [
    {"name": "jobs", "description": "Start, list, follow, cancel, retry and download jobs."},
    {"name": "lectures", "description": "Jobs that make subtitles and a PDF of the slides."},
    {"name": "batches", "description": "Start up to a few hundred jobs in one request: all of them, or none."},
    {"name": "uploads", "description": "Send large files directly to the storage, then name them in a job."},
    {"name": "webhooks", "description": "Endpoints of yours that receive the events of your jobs."},
    {"name": "old clients", "description": "Addresses and fields of the system before. New clients need none of them."},
    {"name": "vendor callbacks", "description": "Vendors report here. Clients never call them."},
    {"name": "operations", "description": "Probes for load balancers and monitoring."},
]


def operation_id(route: APIRoute) -> str:
    """The handler's name: short, and the same when a path changes. Generated clients name their methods by it."""
    return route.name


def install_openapi(app: FastAPI) -> None:
    """Serve the document at `/openapi.json`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build_openapi(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _build_openapi(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version="1",
        description=_API_DESCRIPTION.strip(),
        routes=app.routes,
        servers=_SERVERS,
        tags=_TAGS,
    )
    schemas = document["components"]["schemas"]
    for model in (ProblemDetails, JobRequest, LectureRequest, UploadCreate, UploadParts, *_WEBHOOK_REQUESTS):
        schema = model.model_json_schema(ref_template=_REF_TEMPLATE)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    for name in ("JobRequest", "LectureRequest"):
        schemas[name]["required"].remove("user_id")  # the token determines it
        del schemas[name]["properties"]["user_id"]
    _drop_unused_error_schemas(document)
    return document


def _drop_unused_error_schemas(document: dict[str, Any]) -> None:
    """Remove FastAPI's own 422 schema, which this API never sends."""
    for unsent in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unsent, None)
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "422" in answers and PROBLEM_MEDIA_TYPE not in answers["422"]["content"]:
                del answers["422"]
