"""Errors in API responses: problem details (RFC 9457)."""

from pydantic import BaseModel, Field

from videojobs.errors import ProblemCode


class FieldProblem(BaseModel):
    """One mistake in a request."""

    field: str = Field(examples=["segments_data[0].endTime"])
    code: ProblemCode = Field(description="The kind of problem, for programs. It does not change.")
    message: str = Field(examples=["must be later than the start (2 s)"])


class ProblemDetails(BaseModel):
    """An error (RFC 9457). Clients of the old system show `detail` only, so it gives the first reason."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    status_code: int = Field(description="The same as `status`, for clients of the old system.", examples=[422])
    code: str = Field(description="The kind of error, for programs. It does not change.", examples=["invalid_request"])
    detail: str = Field(
        description="The reason in one or two sentences: the first problem, and how many more there are.",
        examples=["segments_data[0].endTime: must be later than the start (2 s). There are 2 more problems."],
    )
    problems: list[FieldProblem] = Field(default=[], description="The problems of an invalid request, 100 at most.")
    omitted_problems: int = Field(default=0, description="How many more problems there are than `problems` lists.")
