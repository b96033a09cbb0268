"""Errors in API responses: problem details (RFC 9457)."""

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """One mistake in a request."""

    field: str = Field(examples=["segments_data[0].endTime"])
    message: str = Field(examples=["must be later than the start (2 s)"])


class ProblemDetails(BaseModel):
    """An error (RFC 9457). Clients of the old system show `detail` only, so it is complete."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    status_code: int = Field(description="The same as `status`, for clients of the old system.", examples=[422])
    code: str = Field(description="The kind of error, for programs. It does not change.", examples=["invalid_request"])
    detail: str = Field(
        examples=["The request has 1 problem: segments_data[0].endTime: must be later than the start (2 s)"]
    )
    problems: list[FieldProblem] = Field(default=[], description="All mistakes of an invalid request.")
