"""Limits, polling and prices of GhostCut, from the environment. Facts: GhostCut fact sheet, by section."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from videojobs.pipeline.costs import Money
from videojobs.settings import DAY_SECONDS, DelaySeconds, Settings


class GhostCutLimits(Settings):
    """How much of GhostCut all workers together use: `VIDEOJOBS_...`, applied by `make deploy`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    slots_ghostcut: int = Field(default=20, ge=1)
    """Concurrent works. The vendor documents no limit; this one keeps a mistake from becoming a hundred paid works."""

    rate_ghostcut_submits: float = Field(default=1, gt=0, le=1000)
    """New works per second. The vendor documents no limit, and may mean one by its code 3006 (GhostCut 8 and 13)."""


class GhostCutPolling(Settings):
    """How GhostCut is polled: `VIDEOJOBS_GHOSTCUT_...`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    ghostcut_poll_first_seconds: DelaySeconds = 15
    """The first pause between status requests; 15 to 30 s suit works that take minutes (GhostCut 7)."""

    ghostcut_poll_max_seconds: DelaySeconds = 30
    """The longest pause between status requests (GhostCut 7)."""

    ghostcut_poll_callback_seconds: DelaySeconds = 120
    """The pause when callbacks are on: then polling only finds works whose callback is lost. The vendor recommends
    300 s (GhostCut 7)."""

    ghostcut_status_batch: int = Field(default=100, ge=1, le=1000)
    """Works in one status request. Many are allowed; the maximum is not documented (GhostCut 5 and 13)."""

    ghostcut_settling_seconds: DelaySeconds = 600
    """How long a submission whose response was lost has to be missing from GhostCut's list of works before it counts as
    not accepted, and is sent again. For the first three minutes the request may still be on its way (`MAX_SEND_DELAY`
    in `tasks/runtime/paid_call.py`); the rest is for a vendor that lists a work late. Set it lower for the emulator
    only: a request that arrives after this time is paid twice (GhostCut 14)."""


class GhostCutPrices(Settings):
    """What GhostCut charges: `VIDEOJOBS_PRICE_...`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_PRICE_")

    seconds_per_point: float = Field(default=60, gt=0, le=DAY_SECONDS)
    """The length of the unit that costs one point; a started unit counts as a whole one. The unit is not published; a
    clip of 3 s and one of 12 s cost one point each (GhostCut 9), so it is 12 s or more, and such prices are usually per
    minute. Each run's cost artifact shows the points that were paid beside the estimate: correct this setting if they
    differ."""

    usd_per_point: Money | None = None
    """The price of a point in your package. Unset: text removal is counted in points only."""
