"""What a vendor is to the pipeline: the steps of a stage are the same for each vendor; `Provider` is what differs.

A provider keeps no state: its methods get an open client (from the vendor's credentials block) and plain values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Protocol, TypeVar

from pydantic import SecretStr, StringConstraints
from pydantic_settings import BaseSettings

from videojobs.db.models import Json
from videojobs.errors import FieldError
from videojobs.pipeline.costs import Cost
from videojobs.pipeline.facts import JobFacts
from videojobs.providers.lookup import Accepted, Lookup, LookupResult, VendorRecord
from videojobs.providers.schemas import Identifier
from videojobs.requests.models import AnnotationArea, JobRequest, Options
from videojobs.states import Stage

ClientT_contra = TypeVar("ClientT_contra", contravariant=True)

VendorId = Annotated[Identifier, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]
"""An id that a callback reports. It is stored and put into URLs, so its form is checked."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the vendor's API can do."""

    idempotent_retry: bool = False  # a repeated submission with the same key and bytes is not charged again
    long_poll: bool = False  # it can hold a status request open until the submission ends
    list_may_lag: bool = False  # its list may be older than the record of one submission, read by itself
    gives_quotes: bool = False  # it estimates the cost of a request itself
    https_callbacks_only: bool = False  # it refuses a request whose callback URL is plain http


@dataclass(frozen=True, slots=True)
class Limit:
    """A Prefect global concurrency limit: its name on the server, and its value."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """How much of the vendor all workers together may use."""

    concurrency: Limit  # submissions that have not ended
    submits: Limit  # requests per second
    reads: Limit | None = None  # requests per second; None: not limited

    @property
    def rates(self) -> list[Limit]:
        return [self.submits, *([self.reads] if self.reads else [])]


@dataclass(frozen=True, slots=True)
class PollTimings:
    """How often the status of one submission is queried. All times are in seconds."""

    max_batch: int  # ids in one status request
    initial_delay: float  # before the first query of an attempt; 0: at once
    min_delay: float  # before the second; then growing by half up to `max_delay`
    max_delay: float
    delay_with_callback: float  # instead, where a callback would wake the job
    long_poll: int = 0  # how long one long poll waits
    max_long_polls: int = 0  # long polls that are open at once, per process
    max_requests_per_second: float | None = None  # of status requests for batches


@dataclass(frozen=True, slots=True)
class StageInputs:
    """A job at the beginning of a paid stage. URLs are presigned."""

    job_id: str
    request: JobRequest
    facts: JobFacts  # measured so far: see `videojobs.pipeline`
    video_url: str
    audio_urls: Mapping[str, str] = field(default_factory=dict)  # by refId; for lip-sync only


class VendorState(StrEnum):
    """The vendor's state of a submission that it had accepted."""

    NOT_QUERIED = "nothing"  # nothing depends on it
    NO_ANSWER = "no answer"  # the vendor could not be reached, or refused the query
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOCKED = "locked"  # finished, and released only after another payment
    NOT_FOUND = "unknown"  # the vendor does not know the id


@dataclass(frozen=True, slots=True)
class VendorStatus:
    """The vendor's status of a submission."""

    state: VendorState
    message: str = ""  # why it failed or is locked
    response: Json | None = None  # as it is stored, without links
    paid_points: Decimal | None = None
    progress: float | None = None  # percent
    result_url: str | None = field(default=None, repr=False)  # a permission: never logged


@dataclass(frozen=True, slots=True)
class CallbackEvent:
    """A verified callback: which submission of the vendor has ended."""

    vendor_id: str
    batch_id: str | None = None


class CallbackRejected(Exception):
    """The callback is not signed by the vendor."""


class CallbackMalformed(Exception):
    """The body is signed, and is no report about a submission."""


class Provider(Protocol[ClientT_contra]):
    """A vendor that serves one paid stage. Implementations derive from this class, which has the defaults.

    Methods that call the vendor raise `videojobs.errors.VideoJobError`: a RetryableError if a later call may succeed.
    """

    key: str
    """In the registry, the database, callback URLs and as the prefix of environment variables: `some_vendor`."""
    display_name: str
    """For people: log lines, error messages, metric labels."""
    stage: Stage
    capabilities: Capabilities
    credentials_block: str
    """`module:Class` of the Prefect block with the account. A name, since this package does not import Prefect."""
    limit_settings: type[BaseSettings]
    """Applied by `make deploy`."""
    worker_settings: tuple[type[BaseSettings], ...]
    """Read by workers and the API."""
    max_callback_bytes: int

    @property
    def limits(self) -> ProviderLimits:
        """From the environment; `make deploy` applies them."""
        ...

    @property
    def poll_timings(self) -> PollTimings:
        """From the environment."""
        ...

    async def check_account(self, client: ClientT_contra) -> str:
        """Prove, without charge, that the account can be used; returns a detail for the doctor. Raises otherwise."""
        ...

    def estimate(self, request: JobRequest, seconds: float) -> Cost:
        """The cost of the stage by the price list. `seconds`: the longest possible duration of the result."""
        ...

    def build_request(self, inputs: StageInputs, callback_url: str | None) -> bytes:
        """The exact bytes of the paid request: equal arguments give equal bytes. Raises InvalidRequest."""
        ...

    async def submit(self, client: ClientT_contra, body: bytes, idempotency_key: str) -> Accepted:
        """The paid call. Raises OutcomeUnknown where the vendor may have accepted it."""
        ...

    async def find_submission(self, client: ClientT_contra, lookup: Lookup) -> LookupResult:
        """Search for a submission whose response was lost. Raises OutcomeStillUnknown where it is too early to tell."""
        ...

    async def status(
        self, client: ClientT_contra, vendor_ids: Sequence[str], wait_seconds: int | None = None
    ) -> dict[str, VendorStatus]:
        """The status of submissions by id, in one request; ids that the vendor does not know are missing.

        `wait_seconds`: hold the request open until the one submission ends (`Capabilities.long_poll`).
        """
        ...

    def source_url(self, body: bytes) -> str:
        """The URL of our video in a paid request: signed for one submission, so it identifies that submission."""
        ...

    async def read_record(self, client: ClientT_contra, vendor_id: str) -> VendorRecord | None:
        """What the vendor shows under this id; None where it knows no such id."""
        ...

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, secret: SecretStr, now: datetime
    ) -> CallbackEvent:
        """Raises CallbackRejected (signature, age) or CallbackMalformed."""
        ...

    # ---- what a vendor may leave out --------------------------------------------------------------------------

    def validate(
        self, options: Options, areas: Mapping[int, AnnotationArea], *, whole_frame: bool
    ) -> Sequence[FieldError]:
        """Rules of the vendor's models. `areas`: those that could be read, by their index in the request.

        `whole_frame`: text is removed from the whole picture, except in these areas.
        """
        return []

    async def quote(self, client: ClientT_contra, body: bytes, cost: Cost, frame_rate: float) -> Cost | None:
        """The vendor's own estimate (`Capabilities.gives_quotes`), or None. `cost`: by the price list."""
        return None

    def request_facts(self, body: bytes) -> JobFacts:
        """What later stages have to know of the paid request, for the job's facts."""
        return JobFacts()

    async def progress(self, client: ClientT_contra, vendor_id: str) -> float | None:
        """Percent, where `status` does not include it."""
        return None

    async def result_url(self, client: ClientT_contra, vendor_id: str, status: VendorStatus) -> str | None:
        """A fresh link to the result of a submission that is done; None where there is none yet."""
        return status.result_url

    def result_metadata(self, result_url: str) -> Json:
        """For `video_jobs.job_metadata`, the operators' view."""
        return {}
