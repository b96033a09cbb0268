"""What can be changed on the Sync.so emulator while it runs."""

from typing import Literal

from pydantic import Field

from deployments.local.emulators.emulator import CommonSettings
from deployments.local.emulators.sync_so.timeline import SegmentLength


class Settings(CommonSettings):
    """`None` switches a limit off. Durations in seconds."""

    concurrency_limit: int = Field(default=15, ge=1)  # the Scale plan
    plan_duration: float | None = Field(default=None, gt=0)  # a longer video is refused with 402
    segment_length: SegmentLength = "changes"  # whether a segment becomes as long as its sound
    media_checks: Literal["later", "at_submit"] = "later"  # bad media, misfit segments: FAILED, or 422 at once
    overhang: float = Field(default=0.0, ge=0)  # by how much the end of a segment or crop may lie past its file
    least_gap: float = Field(default=0.01, ge=0)  # between two segments: 10 to 50 ms are advised; 0: they may touch
    misfit_status: Literal["FAILED", "REJECTED"] = "FAILED"  # how a generation with misfit segments ends: both are seen
    token_ttl: float | None = Field(default=None, gt=0)  # how long a result link works
    replay_status: Literal[200, 201] = 201  # which one the vendor answers is not known
    webhook_on_rejected: bool = False  # the vendor's webhook knows no REJECTED
