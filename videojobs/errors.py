"""What can go wrong, as a tree. A caller chooses by type, never by reading a message.

VideoJobError
├── Retryable              a later try can heal it; nothing was bought
│   ├── VendorThrottled    the vendor asks us to wait (a 429 in either form, code 3006)
│   ├── VendorUnavailable  5xx, time-out, lost connection, unreadable answer
│   ├── TransferInterrupted  a copy between URLs and storage broke off
│   ├── StillRunning       the vendor is at work; ask again
│   └── StillInDoubt       whether a paid call was taken is not known yet; ask again
├── Final                  trying again changes nothing
│   ├── InvalidRequest     the request breaks rules; carries every problem with its field
│   ├── InvalidMedia       a file is not what it has to be
│   │   └── NoSound        a video without a sound track: nothing can be heard in it
│   ├── ConfigurationError credentials or settings are wrong; an operator's matter
│   │   └── SpeechUnavailable  there is no speech recognition as it was asked for
│   ├── VendorRefused      the vendor said no to a submission; nothing was bought
│   ├── VendorFailed       an accepted generation or work ended without a result
│   ├── NotShown           the vendor does not show an id, be it one that it gave us a moment ago
│   ├── BudgetExceeded     a budget does not allow it; nothing was bought
│   ├── RequestMismatch    the job id is known, with another request
│   └── JobParked          an operator has to decide
├── LeaseLost              another run holds the job; step aside
├── Stopped                somebody asked this work to stop
└── OutcomeUnknown         a paid call may or may not have been taken
"""

from collections.abc import Sequence
from dataclasses import dataclass

_MAX_LISTED_ERRORS = 100  # problems that an error's text spells out: it goes into logs and into Prefect's states


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
    """A later try can heal it; nothing was bought. `parse_retry_after` is in seconds, if the other side named it."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VendorRateLimited(RetryableError):
    """The `vendor`, as people call it, asks us to wait."""

    def __init__(self, message: str, *, vendor: str = "the vendor", retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.vendor = vendor


class VendorUnavailable(RetryableError):
    """The vendor could not be reached or gave no usable answer."""


class TransferInterrupted(RetryableError):
    """A copy between a URL and storage broke off."""


class DatabaseUnavailable(RetryableError):
    """Postgres could not be reached, had no connection free, or went away before it confirmed."""


class StillRunning(RetryableError):
    """The vendor is still at work."""


class OutcomeStillUnknown(RetryableError):
    """Whether the vendor took a paid call is not known yet; `parse_retry_after` is when to ask again."""


class PermanentError(VideoJobError):
    """Trying again changes nothing."""


class InvalidRequest(PermanentError):
    """The request breaks rules. `problems` lists all of them."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        count = len(self.errors)
        head = "1 problem" if count == 1 else f"{count} problems"
        shown = [*map(str, self.errors[:_MAX_LISTED_ERRORS]), *(["..."] if count > _MAX_LISTED_ERRORS else [])]
        super().__init__(f"The request has {head}: " + "; ".join(shown))


class InvalidMedia(PermanentError):
    """A file is not what it has to be. The message says what is wrong with it, without its location."""


class NoAudioTrack(InvalidMedia):
    """The video has no sound track, so that there is nothing to hear in it."""


class ConfigurationError(PermanentError):
    """Credentials or settings are wrong: an operator's matter, not the request's."""


class SpeechUnavailable(ConfigurationError):
    """There is no speech recognition as it was asked for. The message says what is missing."""


class VendorRejected(PermanentError):
    """The vendor said no to a submission; nothing was bought. Carries the vendor's `code` and text."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class VendorFailed(PermanentError):
    """An accepted generation or work ended without a result. Carries the vendor's `code` and text."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class VendorIdNotFound(PermanentError):
    """The vendor does not show an id. One that it has accepted may be too new for its lists, or forgotten."""


class BudgetExceeded(PermanentError):
    """It is expected to cost more than a budget allows. The message says which one, and what to do."""


class JobRequestConflict(PermanentError):
    """This job id is known, with another request: use a new id, or send the first request again."""


class JobAlreadyFailed(PermanentError):
    """The job has ended in failure before; the message says why."""


class JobParked(PermanentError):
    """An operator has to decide; the message says about what."""


class LeaseLost(VideoJobError):
    """Another run holds this job; this one steps aside."""


class WorkCancelled(VideoJobError):
    """Somebody asked this work to stop, and it did."""


class OutcomeUnknown(VideoJobError):
    """A paid call was sent and its answer is missing: the vendor may or may not have taken it.

    `vendor_id` is set where the vendor named what it had created before the answer went wrong. `taken`: it has said
    that it took the call, so that nothing which it does not show proves otherwise.
    """

    def __init__(self, message: str, *, vendor_id: str | None = None, accepted: bool = False) -> None:
        super().__init__(message)
        self.vendor_id = vendor_id
        self.accepted = accepted
