"""Jobs onto the books, and their runs started: the same for every way in which a request comes."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Final

from fastapi import Header, Request

from deployments.gateway.access import Caller
from deployments.gateway.front import Front
from deployments.gateway.links import taken
from deployments.gateway.problems import Refused
from deployments.gateway.scope import about_job
from deployments.gateway.shapes import Taken
from videojobs.errors import LedgerUnavailable
from videojobs.lecture.request import LectureRequest
from videojobs.ledger import ClientKey, Ledger, VideoJob
from videojobs.request import JobRequest
from videojobs.states import Status

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own for this job: the same request, sent again with it, gives the first job.",
        examples=["order-4711"],
    ),
]


def check_encoding(request: Request) -> None:
    """Raises a refusal for a compressed body: what it unpacks to could be without end."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "Send the body as it is, without Content-Encoding.")


async def started(front: Front, job: VideoJob) -> Taken:
    """The answer; a job that was asked for again may have been started long ago."""
    about_job(job.id)
    if job.status == Status.PENDING:
        await front.starter.start(job)
    return await taken(front, job)


_OPENING_SECONDS: Final = 10  # that Postgres may be away for: a restart
_PAUSE_SECONDS: Final = 0.5


async def on_the_books(
    front: Front,
    ledger: Ledger,
    job_id: str,
    request: JobRequest | LectureRequest,
    who: Caller,
    key: ClientKey | None,
    changes: Sequence[str] = (),
) -> VideoJob:
    """On the books, or the job that this key stands for. A commit whose answer got lost is asked for again.

    `changes` tell what was read otherwise than it was sent.
    """
    async with asyncio.timeout(_OPENING_SECONDS):
        while True:
            with suppress(LedgerUnavailable):
                return await ledger.open(
                    job_id, request, actor=who.actor, connections=front.backing.connections, key=key, changes=changes
                )
            await asyncio.sleep(_PAUSE_SECONDS)
