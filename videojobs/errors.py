"""Exception hierarchy. Handle errors by type, never by message.

VideoJobError
├── RetryableError            a retry may succeed; nothing was bought
│   ├── VendorRateLimited     the vendor asks us to wait (a 429 in either form, code 3006)
│   ├── VendorUnavailable     5xx, time-out, lost connection, unreadable response
│   ├── TransferInterrupted   a copy between a URL and storage broke off
│   ├── DatabaseUnavailable   Postgres is unreachable, or the connection was lost
│   ├── StillRunning          the vendor is not done; poll again
│   └── OutcomeStillUnknown   whether a paid call was received is not known yet; query again
├── PermanentError            a retry does not help
│   ├── InvalidRequest        the request breaks rules; lists every problem with its field
│   ├── InvalidMedia          a file is unusable
│   │   └── NoAudioTrack      a video without a sound track
│   ├── ConfigurationError    wrong credentials or settings; for an operator to fix
│   │   └── SpeechUnavailable the requested speech recognition is not available
│   ├── VendorRejected        the vendor rejected a submission; nothing was bought
│   ├── VendorFailed          an accepted generation or work ended without a result
│   ├── VendorIdNotFound      the vendor does not show an id, which may be too new for its lists
│   ├── BudgetExceeded        a budget does not allow it; nothing was bought
│   ├── JobRequestConflict    the job id exists with another request
│   ├── JobAlreadyFailed      the job has failed before
│   └── JobParked             an operator has to decide
├── LeaseLost                 another run holds the job; stop
├── WorkCancelled             the work was cancelled
└── OutcomeUnknown            a paid call may or may not have been received
"""

from collections.abc import Sequence
from dataclasses import dataclass

_MAX_LISTED_ERRORS = 100  # in the text of an error, which goes into logs and Prefect states


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule: `path` names the field (`segments[0].endTime`), `message` says what to do."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class VideoJobError(Exception):
    """Base of every error of this project."""


class RetryableError(VideoJobError):
    """A retry may succeed; nothing was bought. `retry_after` is in seconds, if the other side named it."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VendorRateLimited(RetryableError):
    """The vendor asks us to wait. `vendor` is its display name."""

    def __init__(self, message: str, *, vendor: str = "the vendor", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.vendor = vendor


class VendorUnavailable(RetryableError):
    """The vendor is unreachable or sent no usable response."""


class TransferInterrupted(RetryableError):
    """A copy between a URL and storage broke off."""


class DatabaseUnavailable(RetryableError):
    """Postgres is unreachable, has no free connection, or was lost before it confirmed."""


class StillRunning(RetryableError):
    """The vendor is not done yet."""


class OutcomeStillUnknown(RetryableError):
    """Whether the vendor received a paid call is not known yet; `retry_after` is when to query again."""


class PermanentError(VideoJobError):
    """A retry does not help."""


class InvalidRequest(PermanentError):
    """The request breaks rules. `errors` lists all of them."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        count = len(self.errors)
        head = "1 problem" if count == 1 else f"{count} problems"
        shown = [*map(str, self.errors[:_MAX_LISTED_ERRORS]), *(["..."] if count > _MAX_LISTED_ERRORS else [])]
        super().__init__(f"The request has {head}: " + "; ".join(shown))


class InvalidMedia(PermanentError):
    """A file is unusable. The message says why, without its location."""


class NoAudioTrack(InvalidMedia):
    """The video has no sound track."""


class ConfigurationError(PermanentError):
    """Wrong credentials or settings: for an operator to fix, not the client."""


class SpeechUnavailable(ConfigurationError):
    """The requested speech recognition is not available. The message says what is missing."""


class VendorRejected(PermanentError):
    """The vendor rejected a submission; nothing was bought. Carries the vendor's `code` and text."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class VendorFailed(PermanentError):
    """An accepted generation or work ended without a result. Carries the vendor's `code` and text."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class VendorIdNotFound(PermanentError):
    """The vendor does not show an id. An accepted one may be too new for its lists, or too old."""


class BudgetExceeded(PermanentError):
    """The expected cost exceeds a budget. The message names it and says what to do."""


class JobRequestConflict(PermanentError):
    """The job id exists with another request: use a new id, or send the first request again."""


class JobAlreadyFailed(PermanentError):
    """The job has failed before; the message says why."""


class JobParked(PermanentError):
    """An operator has to decide; the message says what."""


class LeaseLost(VideoJobError):
    """Another run holds this job; this one stops."""


class WorkCancelled(VideoJobError):
    """The work was cancelled and has stopped."""


class OutcomeUnknown(VideoJobError):
    """A paid call was sent and its response was lost: the vendor may or may not have received it.

    `vendor_id` is set if the vendor named it before the response failed. `accepted`: the vendor confirmed the call, so
    a list that does not show it proves nothing.
    """

    def __init__(self, message: str, *, vendor_id: str | None = None, accepted: bool = False) -> None:
        super().__init__(message)
        self.vendor_id = vendor_id
        self.accepted = accepted
