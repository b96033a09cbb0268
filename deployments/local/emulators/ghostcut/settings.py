"""Settings of the GhostCut emulator, changeable while it runs."""

from typing import Literal

from pydantic import Field

from deployments.local.emulators.emulator import CommonSettings


class Settings(CommonSettings):
    """Durations in seconds. The vendor's half hour between callbacks is scaled down to seconds."""

    points: float = Field(default=1000.0, ge=0)  # the account's balance, which pays for works
    ids_as_strings: bool = False  # the vendor's samples contain both
    parameter_errors: Literal["code", "status"] = "code"  # rejected with 4001, or accepted and ended with 26
    result_ttl: float | None = Field(default=None, gt=0)  # lifetime of `videoUrl`
    list_lag_seconds: float = Field(default=0.0, ge=0)  # delay before a work is listed; by id it is shown at once
    callback_retry_seconds: float = Field(default=5.0, gt=0)  # scaled down from 30 minutes
    callback_window_seconds: float = Field(default=240.0, gt=0)  # 24 hours, on the same scale
