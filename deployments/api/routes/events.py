"""A job's progress as server-sent events: `event: job`, with the five status fields and whether it is parked."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from deployments.api.auth import JobId, Reader, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.event_streams import event_stream_response, job_events

router = APIRouter(tags=["jobs"])

_EVENT_EXAMPLE: Final = (
    'event: job\ndata: {"job_id": "7d0c5f0e", "status": "processing", "progress": 75, '
    '"message": "Text inpainting in progress...", "output_url": null, "parked": false}\n\n: still here\n\n'
)
_EVENT_SCHEMA: Final = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "allOf": [
                    {"$ref": "#/components/schemas/JobStatusResponse"},
                    {"type": "object", "required": ["parked"], "properties": {"parked": {"type": "boolean"}}},
                ]
            },
        },
    },
}
_STREAM_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Ends when the job has ended, and after some minutes: reconnect then.",
        # As FastAPI documents streams.
        "content": {"text/event-stream": {"itemSchema": _EVENT_SCHEMA, "example": _EVENT_EXAMPLE}},
    }
}


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={**_STREAM_RESPONSE, **error_responses(401, 403, 404, 429, 503)},
    summary="Follow a job",
)
async def stream_job_events(job_id: JobId, principal: Reader, state: AppStateDep) -> StreamingResponse:
    """The job's status at once and after each change. Comment lines keep the connection open."""
    job = await get_owned_job(state, principal, job_id)
    state.job_watcher.check_capacity()
    return event_stream_response(job_events(state, job))
