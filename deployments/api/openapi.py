"""The OpenAPI document: what FastAPI makes of the endpoints, and what it cannot know."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from deployments.api.errors import PROBLEM_MEDIA_TYPE, ProblemDetails
from deployments.api.schemas.jobs import UploadCreate, UploadParts
from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import JobRequest

_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_API_DESCRIPTION: Final = """
Jobs give a video new speech for some of its time ranges, and wipe burned-in text out of areas of the picture. Lectures
become subtitles and a PDF of their slides; they are jobs, too, and are followed, cancelled and downloaded as those are.

Every request needs a token: `Authorization: Bearer ...`. Errors are problem details (RFC 9457).
"""


def install_openapi(app: FastAPI) -> None:
    """Give the application its document, at `/openapi.json`."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build_openapi(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _build_openapi(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version="1", description=_API_DESCRIPTION.strip(), routes=app.routes)
    schemas = document["components"]["schemas"]
    for model in (ProblemDetails, JobRequest, LectureRequest, UploadCreate, UploadParts):
        schema = model.model_json_schema(ref_template=_REF_TEMPLATE)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    for name in ("JobRequest", "LectureRequest"):
        schemas[name]["required"].remove("user_id")  # the token says it
        del schemas[name]["properties"]["user_id"]
    _drop_unused_error_schemas(document)
    return document


def _drop_unused_error_schemas(document: dict[str, Any]) -> None:
    """FastAPI tells of errors in a form of its own, also where an endpoint takes whatever text there is."""
    for unsent in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unsent, None)
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "422" in answers and PROBLEM_MEDIA_TYPE not in answers["422"]["content"]:
                del answers["422"]
