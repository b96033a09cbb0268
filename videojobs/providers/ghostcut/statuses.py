"""GhostCut's processStatus: every code, its meaning, and what to do. Facts: GhostCut fact sheet, section 5.

1 is success, lower is in progress, higher has failed. The progress does not tell: failures also have 100.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

SUCCESS = 1
NOT_STARTED_FOR_POINTS = 73
LOCKED_FOR_POINTS = 83


class StatusClass(Enum):
    """The reaction to a status."""

    RUNNING = "running"
    DONE = "done"
    FIX_INPUT = "fix_input"
    VENDOR = "vendor"
    RETRY = "retry"
    POINTS = "points"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One row of the vendor's table."""

    code: int
    meaning: str
    status_class: StatusClass


_SUBTITLE_DATA = "the subtitle or voice data has a problem"
_ROWS = (
    ProcessStatus(-3, "the draft is done and waits for its synthesis", StatusClass.RUNNING),
    ProcessStatus(-2, "the material is being prepared", StatusClass.RUNNING),
    ProcessStatus(-1, "queued", StatusClass.RUNNING),
    ProcessStatus(0, "processing", StatusClass.RUNNING),
    ProcessStatus(SUCCESS, "success", StatusClass.DONE),
    ProcessStatus(2, "the video's URL could not be resolved", StatusClass.FIX_INPUT),
    ProcessStatus(3, "the video could not be downloaded", StatusClass.FIX_INPUT),
    ProcessStatus(5, "the video is longer than 15 minutes", StatusClass.FIX_INPUT),
    ProcessStatus(6, "the call for voice translation failed", StatusClass.VENDOR),
    ProcessStatus(7, "the voice translation failed", StatusClass.VENDOR),
    ProcessStatus(13, "the music step failed", StatusClass.VENDOR),
    ProcessStatus(14, "the material's key is missing", StatusClass.FIX_INPUT),
    ProcessStatus(16, "the file is probably corrupt", StatusClass.FIX_INPUT),
    ProcessStatus(18, "the processing timed out", StatusClass.RETRY),
    ProcessStatus(20, "the erasing failed", StatusClass.VENDOR),
    ProcessStatus(21, "the voice separation failed", StatusClass.VENDOR),
    ProcessStatus(22, "no worker could be given the work", StatusClass.VENDOR),
    ProcessStatus(23, "a remote part timed out", StatusClass.RETRY),
    ProcessStatus(24, "the cloned voice is missing", StatusClass.FIX_INPUT),
    ProcessStatus(26, "the parameters failed validation", StatusClass.FIX_INPUT),
    *(ProcessStatus(code, _SUBTITLE_DATA, StatusClass.FIX_INPUT) for code in range(27, 33)),
    ProcessStatus(43, "an unknown error", StatusClass.RETRY),
    ProcessStatus(NOT_STARTED_FOR_POINTS, "not enough points, the work was not started", StatusClass.POINTS),
    ProcessStatus(LOCKED_FOR_POINTS, "not enough points, the work is finished but locked", StatusClass.POINTS),
    ProcessStatus(98, "the account's storage is full", StatusClass.STORAGE),
    ProcessStatus(99, "the video is too long", StatusClass.FIX_INPUT),
    ProcessStatus(100, "the video has 1000 MB or more", StatusClass.FIX_INPUT),
    ProcessStatus(111, "a time-out", StatusClass.RETRY),
    ProcessStatus(1000, "not a status of a work", StatusClass.VENDOR),
)
PROCESS_STATUSES: Mapping[int, ProcessStatus] = MappingProxyType({row.code: row for row in _ROWS})


def process_status(code: int) -> ProcessStatus:
    """The row of `code`; an undocumented code is classified by its sign."""
    if known := PROCESS_STATUSES.get(code):
        return known
    if code < SUCCESS:
        return ProcessStatus(code, "in progress, in an undocumented state", StatusClass.RUNNING)
    return ProcessStatus(code, "an undocumented failure", StatusClass.VENDOR)


_ADVICE: Mapping[StatusClass, str] = MappingProxyType(
    {
        StatusClass.FIX_INPUT: "Correct the video or the areas",
        StatusClass.VENDOR: "Ask GhostCut's support",
        StatusClass.RETRY: "A new attempt may succeed; if not, ask GhostCut's support",
        StatusClass.POINTS: "Top up the points of the GhostCut account",
        StatusClass.STORAGE: "Free space in the GhostCut account",
    }
)


def advice(code: int) -> str:
    """What to do about the failure `code` (> 1)."""
    if code == LOCKED_FOR_POINTS:
        return f"{_ADVICE[StatusClass.POINTS]} and unlock the work there; do not submit it again"
    return _ADVICE[process_status(code).status_class]
