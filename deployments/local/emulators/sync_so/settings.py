"""Settings of the Sync.so emulator, changeable while it runs."""

from typing import Literal

from pydantic import Field

from deployments.local.emulators.emulator import CommonSettings
from deployments.local.emulators.sync_so.timeline import SegmentLength


class Settings(CommonSettings):
    """`None` disables a limit. Durations in seconds."""

    concurrency_limit: int = Field(default=15, ge=1)  # the Scale plan
    plan_duration: float | None = Field(default=None, gt=0)  # a longer video is rejected with 402
    segment_length: SegmentLength = "changes"  # whether a segment becomes as long as its audio
    media_checks: Literal["later", "at_submit"] = "later"  # invalid media or segments: FAILED, or 422 at once
    overhang: float = Field(default=0.0, ge=0)  # by how much the end of a segment or crop may exceed its file
    least_gap: float = Field(default=0.01, ge=0)  # between two segments: 10 to 50 ms are recommended; 0: they may touch
    misfit_status: Literal["FAILED", "REJECTED"] = "FAILED"  # of a generation with invalid segments: both were observed
    token_ttl: float | None = Field(default=None, gt=0)  # lifetime of a result URL
    replay_status: Literal[200, 201] = 201  # the vendor's own is unknown
    webhook_on_rejected: bool = False  # the vendor's webhooks have no REJECTED
