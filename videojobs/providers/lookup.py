"""The lookup of a submission whose response was lost: what is known about it, and what the vendor's data prove."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from videojobs.db.models import Json, Submission
from videojobs.errors import OutcomeStillUnknown

LOOKUP_DELAY_RATIO: Final = 0.5  # the pause between two lookups, as a share of the age: short at first, then longer
MAX_LOOKUP_DELAY: Final = timedelta(seconds=60)

ACCEPTED_WITHOUT_ID: Json = {"accepted": True}
"""Stored for a response that confirmed the submission without its id."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submission that the vendor has accepted."""

    vendor_id: str
    answer: Json  # the vendor's response, without links
    metadata: Json = field(default_factory=dict)  # for `video_jobs.job_metadata`, the operators' view
    job_columns: Mapping[str, str] = field(default_factory=dict)  # columns of `video_jobs` for operators
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotReceived:
    """Proof that the vendor has not accepted the submission. `evidence` is recorded in the job's events."""

    evidence: Json


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The vendor's data do not tell whether it accepted the submission."""

    reason: str


LookupResult = Accepted | NotReceived | Inconclusive


@dataclass(frozen=True, slots=True)
class VendorRecord:
    """What the vendor shows under an id: the submission, and the source URLs that it was made from."""

    accepted: Accepted
    source_urls: frozenset[str]


class SubmissionRecords(Protocol):
    """Records of submissions, as far as a lookup needs them (`JobRepository`)."""

    async def submission_age(self, submission: Submission) -> timedelta: ...
    async def list_submissions(self, job_id: str) -> Sequence[Submission]: ...
    async def accepted_ids_around(self, submission: Submission, window: timedelta, min_age: timedelta) -> set[str]: ...


@dataclass(frozen=True, slots=True)
class Lookup:
    """The lookup of a submission whose response was lost. Await `pace` before each request that lists."""

    submission: Submission
    repository: SubmissionRecords
    pace: Callable[[], Awaitable[None]]


def still_in_doubt_error(age: timedelta, settling: timedelta) -> OutcomeStillUnknown:
    """The vendor does not show a submission of this age yet; it may do so until `settling`."""
    pause = min(max(age * LOOKUP_DELAY_RATIO, timedelta(seconds=1)), settling - age, MAX_LOOKUP_DELAY)
    return OutcomeStillUnknown(
        f"the vendor does not show the submission {age.total_seconds():.0f} s after it may have been sent; "
        f"after {settling.total_seconds():.0f} s it counts as not accepted",
        retry_after=pause.total_seconds(),
    )
