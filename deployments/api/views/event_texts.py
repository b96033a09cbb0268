"""The text and the tone of each kind of event, as users see a job's log."""

from collections.abc import Sequence
from typing import Final, Literal

from videojobs.db import JobEvent, JobEventKind
from videojobs.providers.registry import display_name
from videojobs.states import RecoveryPoint, Stage

Tone = Literal["plain", "good", "wait", "bad"]
"""The colour in which the pages show an event or a status."""

_EVENT_TEXT: Final[dict[str, str]] = {
    JobEventKind.OPENED: "The job was accepted.",
    JobEventKind.REFUSED: "The request was rejected.",
    JobEventKind.LEASE_ACQUIRED: "A run has started work on the job.",
    JobEventKind.ESTIMATED: "Its cost was estimated.",
    JobEventKind.COMPLETED: "The result is stored.",
    JobEventKind.FAILED: "The job has failed.",
    JobEventKind.PARKED: "The job needs an operator.",
    JobEventKind.CANCELLED: "The job was cancelled.",
    JobEventKind.REOPENED: "The job continues.",
    JobEventKind.INTERRUPTED: "Its run was interrupted; another run continues.",
    JobEventKind.CLEANUP_ACTION: "The clean-up checked the job, because it made no progress.",
    JobEventKind.GIVEN_UP: "An operator gave the job up.",
    JobEventKind.LINKS_REVOKED: "All links to the result were revoked.",
}
_VENDOR_EVENT_TEXT: Final[dict[str, str]] = {
    JobEventKind.INTENDED: "The job is being sent to {}.",
    JobEventKind.ACCEPTED: "{} has accepted the job.",
    JobEventKind.ACCEPTED_AFTER_WRITE_OFF: "{} had accepted a submission that was written off.",
    JobEventKind.DONE: "{} has finished.",
    JobEventKind.FAILED: "{} has failed.",
    JobEventKind.REFUSED: "{} has refused the job.",
    JobEventKind.WAITING: "{} asks us to wait.",
    JobEventKind.NO_ANSWER: "{} does not respond at the moment; we query it again.",
    JobEventKind.UNKNOWN: "It is not known whether {} has accepted the job.",
    JobEventKind.NOT_TAKEN: "{} has not accepted the job; it is sent again.",
    JobEventKind.WRITTEN_OFF: "The submission to {} was written off.",
    JobEventKind.RENEWED: "The submission to {}, not accepted yet, was renewed: its links were about to expire.",
    JobEventKind.BOUGHT_TWICE: "{} has produced the result twice.",
    JobEventKind.LATE_OUTCOME: "{} reported on an earlier attempt, which changes nothing.",
    JobEventKind.CALLBACK_RECEIVED: "{} has sent a callback.",
}
_POINT_TEXT: Final = {
    RecoveryPoint.UPLOADED: "All files are checked and stored.",
    RecoveryPoint.LIP_SYNC_STORED: "The lip-sync result is checked and stored.",
    RecoveryPoint.TEXT_REMOVAL_STORED: "The video without text is checked and stored.",
    RecoveryPoint.FETCHED: "The lecture is checked and stored.",
    RecoveryPoint.TRANSCRIBED: "The speech is recognised.",
    RecoveryPoint.SLIDES_FOUND: "The slides are detected.",
    RecoveryPoint.ANALYZED: "Speech and slides are both ready.",
    RecoveryPoint.DOCUMENTS_STORED: "The PDF and the subtitles are stored.",
}

_MAX_LISTED_CHANGES: Final = 4  # moved ends in one sentence
_MAX_LISTED_FORM_CHANGES: Final = 20  # changes of a form: each is of another kind

_TONES: Final[dict[Tone, tuple[JobEventKind, ...]]] = {
    "good": (JobEventKind.ADVANCED, JobEventKind.ACCEPTED, JobEventKind.DONE, JobEventKind.COMPLETED),
    "wait": (
        JobEventKind.WAITING,
        JobEventKind.UNKNOWN,
        JobEventKind.INTERRUPTED,
        JobEventKind.PARKED,
        JobEventKind.WRITTEN_OFF,
        JobEventKind.CANCELLED,
        JobEventKind.GIVEN_UP,
    ),
    "bad": (JobEventKind.REFUSED, JobEventKind.FAILED),
}
_EVENT_TONES: Final[dict[str, Tone]] = {kind: tone for tone, kinds in _TONES.items() for kind in kinds}


def event_tone(kind: str) -> Tone:
    """The colour of an event on the job's page."""
    return _EVENT_TONES.get(kind, "plain")


def event_message(event: JobEvent) -> str:
    """The text for users. Of the details, only changes to the request are shown: others hold URLs and ids."""
    detail = event.detail or {}
    stage = detail.get("stage")
    # Events of older versions name no provider, and another vendor may serve the stage today.
    vendor = display_name(detail["provider"]) if detail.get("provider") else "the vendor"
    if stage in list(Stage) and event.kind in _VENDOR_EVENT_TEXT:
        message = _VENDOR_EVENT_TEXT[event.kind].format(vendor)
        return message[0].upper() + message[1:]
    if event.kind == JobEventKind.SHORTENED:
        return f"Some ends were moved forward for {vendor}: {_join_first(detail['changes'])}."
    if changes := detail.get("changes"):
        listed = _join_first(changes, _MAX_LISTED_FORM_CHANGES)
        return f"{_EVENT_TEXT[event.kind]} Parts of the form were adjusted: {listed}."
    if event.kind == JobEventKind.ADVANCED:
        return _POINT_TEXT.get(event.point, event.message)
    return _EVENT_TEXT.get(event.kind, event.message)


def _join_first(clauses: Sequence[str], limit: int = _MAX_LISTED_CHANGES) -> str:
    """At most `limit` clauses; a job may have hundreds."""
    shown, more = clauses[:limit], len(clauses) - limit
    return "; ".join([*shown, f"and {more} more like these"] if more > 0 else shown)
