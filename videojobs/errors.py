"""The tree of errors. Callers choose by type, never by message; `code` names the type in job rows and API responses.

VideoJobError
├── RetryableError           may succeed later; nothing was bought
│   ├── VendorRateLimited    the vendor asks us to wait (HTTP 429, or a code of its own)
│   ├── VendorUnavailable    5xx, time-out, lost connection, unreadable answer
│   ├── TransferInterrupted  a copy between URLs and storage broke off
│   ├── DatabaseUnavailable  Postgres could not be reached
│   ├── StillRunning         the vendor has not finished; poll again
│   └── OutcomeStillUnknown  it is not known yet whether a paid call was accepted; look it up again
├── PermanentError           a retry changes nothing
│   ├── InvalidRequest       the request breaks rules; carries every problem with its field
│   ├── InvalidMedia         a file cannot be used
│   │   └── NoAudioTrack     a video without an audio track
│   ├── ConfigurationError   credentials or settings are wrong; for an operator to fix
│   │   └── SpeechUnavailable  the requested speech recognition is not installed
│   ├── VendorRejected       the vendor refused a submission; nothing was bought
│   ├── VendorFailed         an accepted generation or work ended without a result
│   ├── VendorIdNotFound     the vendor does not list an id, possibly one that it has just issued
│   ├── BudgetExceeded       a budget does not allow it; nothing was bought
│   ├── JobRequestConflict   the job id belongs to another request
│   ├── JobAlreadyFailed     the job failed before
│   └── JobParked            an operator has to decide
├── UnknownJob               no job has this id
├── LeaseLost                another run holds the job; this run stops
├── WorkCancelled            this work was cancelled
└── OutcomeUnknown           a paid call may or may not have been accepted
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

_MAX_LISTED_ERRORS: Final = 100  # problems in an error's text: it goes into logs and Prefect's states


class ProblemCode(StrEnum):
    """The kind of a problem in a request, for programs. Sent to clients and stored, so a code never changes."""

    REQUIRED = "required"  # missing or empty
    UNKNOWN_FIELD = "unknown_field"
    DUPLICATE = "duplicate"  # a field, a file or a refId is given twice
    WRONG_TYPE = "wrong_type"
    INVALID_JSON = "invalid_json"
    INVALID_FORMAT = "invalid_format"  # text that does not match its pattern or encoding
    INVALID_CHOICE = "invalid_choice"
    INVALID_SOURCE = "invalid_source"  # the location of a file
    WRONG_USER = "wrong_user"
    OUT_OF_RANGE = "out_of_range"  # a number
    TOO_LONG = "too_long"  # characters, or seconds
    TOO_SHORT = "too_short"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"  # bytes, or pixels
    FILE_COUNT = "file_count"  # not one audio file for each refId
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE_FILE = "unreadable_file"
    END_BEFORE_START = "end_before_start"
    OVERLAP = "overlap"
    OUTSIDE_MEDIA = "outside_media"  # a time after the end of its file
    OUTSIDE_PICTURE = "outside_picture"
    UNKNOWN_REF_ID = "unknown_ref_id"
    UNUSED_REF_ID = "unused_ref_id"
    UNSUPPORTED_BY_MODEL = "unsupported_by_model"  # a vendor's model does not support it
    BUDGET_EXCEEDED = "budget_exceeded"  # of an estimate: the job would be accepted, and fail before it buys anything
    INVALID_VALUE = "invalid_value"  # none of the others; also problems that were stored before there were codes


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule: `path` names the field (`segments[0].endTime`), `message` says what to do."""

    path: str
    message: str
    code: ProblemCode = ProblemCode.INVALID_VALUE

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class VideoJobError(Exception):
    """Base of every error of this project.

    `code` is stored in job rows and sent to clients. It stays the same when a class is renamed.
    """

    code: ClassVar[str] = "error"


class RetryableError(VideoJobError):
    """May succeed later; nothing was bought. `retry_after` is in seconds, if the other side named it."""

    code = "temporary_failure"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VendorRateLimited(RetryableError):
    """The vendor asks us to wait. `vendor` is its display name."""

    code = "vendor_rate_limited"

    def __init__(self, message: str, *, vendor: str = "the vendor", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.vendor = vendor


class VendorUnavailable(RetryableError):
    """The vendor is unreachable or sent no usable response."""

    code = "vendor_unavailable"


class TransferInterrupted(RetryableError):
    """A copy between a URL and storage broke off."""

    code = "transfer_interrupted"


class DatabaseUnavailable(RetryableError):
    """Postgres could not be reached, had no connection free, or closed the connection before it confirmed."""

    code = "database_unavailable"


class StillRunning(RetryableError):
    """The vendor has not finished."""

    code = "still_running"


class OutcomeStillUnknown(RetryableError):
    """It is not known yet whether the vendor accepted a paid call; look it up again after `retry_after` seconds."""

    code = "outcome_still_unknown"


class PermanentError(VideoJobError):
    """A retry changes nothing."""

    code = "permanent_failure"


class InvalidRequest(PermanentError):
    """The request breaks rules. `errors` lists all of them."""

    code = "invalid_request"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        count = len(self.errors)
        head = "1 problem" if count == 1 else f"{count} problems"
        shown = [*map(str, self.errors[:_MAX_LISTED_ERRORS]), *(["..."] if count > _MAX_LISTED_ERRORS else [])]
        super().__init__(f"The request has {head}: " + "; ".join(shown))


class InvalidMedia(PermanentError):
    """A file cannot be used. The message says what is wrong with it, without its location."""

    code = "invalid_media"


class NoAudioTrack(InvalidMedia):
    """The video has no audio track, so no speech can be recognised."""

    code = "no_audio_track"


class ConfigurationError(PermanentError):
    """Credentials or settings are wrong: for an operator to fix; the request is not at fault."""

    code = "configuration_error"


class SpeechUnavailable(ConfigurationError):
    """The requested speech recognition is not available. The message says what is missing."""

    code = "speech_unavailable"


class VendorRejected(PermanentError):
    """The vendor refused a submission; nothing was bought. Carries the vendor's own code and text."""

    code = "vendor_rejected"

    def __init__(self, message: str, *, vendor_code: str | None = None) -> None:
        super().__init__(message)
        self.vendor_code = vendor_code


class VendorFailed(PermanentError):
    """An accepted generation or work ended without a result. The message is the vendor's."""

    code = "vendor_failed"


class VendorIdNotFound(PermanentError):
    """The vendor does not list an id. An accepted one may be too new for its lists, or already deleted."""

    code = "vendor_id_not_found"


class BudgetExceeded(PermanentError):
    """The expected cost is above a budget. The message says which one, and what to do."""

    code = "budget_exceeded"


class JobRequestConflict(PermanentError):
    """The job id belongs to another request: use a new id, or send the first request again."""

    code = "request_conflict"


class JobAlreadyFailed(PermanentError):
    """The job failed before; the message says why."""

    code = "job_already_failed"


class JobParked(PermanentError):
    """An operator has to decide; the message says what."""

    code = "job_parked"


class UnknownJob(VideoJobError):
    """No job has this id."""

    code = "job_not_found"


class LeaseLost(VideoJobError):
    """Another run holds this job; this run stops."""

    code = "lease_lost"


class WorkCancelled(VideoJobError):
    """This work was cancelled."""

    code = "cancelled"


class OutcomeUnknown(VideoJobError):
    """A paid call was sent and its response is missing: the vendor may or may not have accepted it.

    `vendor_id` is set if the interrupted response contained the id of what was created. `accepted`: the vendor has
    confirmed the call, so a missing entry in its lists does not prove that nothing was bought.
    """

    code = "outcome_unknown"

    def __init__(self, message: str, *, vendor_id: str | None = None, accepted: bool = False) -> None:
        super().__init__(message)
        self.vendor_id = vendor_id
        self.accepted = accepted


# Codes of jobs that ended or were parked without one of these errors.
GIVEN_UP_CODE: Final = "given_up"  # by an operator
CRASH_LOOP_CODE: Final = "crash_loop"  # its runs kept crashing at one recovery point
VENDOR_OVERDUE_CODE: Final = "vendor_overdue"  # the vendor has not finished within `poll_give_up_hours`
