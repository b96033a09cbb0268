"""The OpenAPI document: what FastAPI makes of the endpoints, and what it cannot know."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from deployments.gateway.problems import MEDIA_TYPE, ProblemDetails
from deployments.gateway.shapes import UploadParts, UploadWanted
from videojobs.lecture.request import LectureRequest
from videojobs.request import JobRequest

_REFERENCE: Final = "#/components/schemas/{model}"
_ABOUT: Final = """
Jobs give a video new speech for some of its time ranges, and wipe burned-in text out of areas of the picture. Lectures
become subtitles and a PDF of their slides; they are jobs, too, and are followed, cancelled and downloaded as those are.

Every request needs a token: `Authorization: Bearer ...`. Errors are problem details (RFC 9457).
"""


def publish(app: FastAPI) -> None:
    """Give the application its document, at `/openapi.json`."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version="1", description=_ABOUT.strip(), routes=app.routes)
    schemas = made["components"]["schemas"]
    for model in (ProblemDetails, JobRequest, LectureRequest, UploadWanted, UploadParts):
        shape = model.model_json_schema(ref_template=_REFERENCE)
        schemas |= shape.pop("$defs", {})
        schemas[model.__name__] = shape
    for name in ("JobRequest", "LectureRequest"):
        schemas[name]["required"].remove("user_id")  # the token says it
        del schemas[name]["properties"]["user_id"]
    _drop_unsent(made)
    return made


def _drop_unsent(made: dict[str, Any]) -> None:
    """FastAPI tells of errors in a form of its own, also where an endpoint takes whatever text there is."""
    for unsent in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(unsent, None)
    for path in made["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            if "422" in answers and MEDIA_TYPE not in answers["422"]["content"]:
                del answers["422"]
