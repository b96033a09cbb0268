"""Limits, polling and prices of Sync.so, from the environment. Facts: Sync.so fact sheet, by section."""

from decimal import Decimal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from videojobs.pipeline.costs import Money
from videojobs.requests.models import LipSyncModel
from videojobs.settings import DelaySeconds, Settings


class SyncSoLimits(Settings):
    """How much of Sync.so all workers together use: `VIDEOJOBS_...`, applied by `make deploy`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    slots_sync_so: int = Field(default=3, ge=1)
    """Concurrent generations. The limit of the plan: Free and Hobbyist 1, Creator 3, Growth 6, Scale 15."""

    rate_sync_so_creates: float = Field(default=1, gt=0, le=1000)
    """New generations per second. Sources disagree; one is safe in all of them (Sync.so 8)."""

    rate_sync_so_reads: float = Field(default=5, gt=0, le=1000)
    """Status requests per second. Five are safe in all sources (Sync.so 8)."""


class SyncSoPolling(Settings):
    """How Sync.so is polled: `VIDEOJOBS_SYNC_...`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    sync_long_poll_seconds: int = Field(default=10, ge=1, le=10)
    """Duration of one long poll; the vendor allows 1 to 10 s (Sync.so 5)."""

    sync_long_polls: int = Field(default=20, ge=0, le=90)
    """Concurrent long polls of one process; each holds a connection. With the progress requests between them and the
    lists for all further generations, they stay below the 5 GET/s that are safe for a key (Sync.so 8). The largest
    plan runs 15 generations at once, so in practice each has a long poll."""

    sync_list_seconds: DelaySeconds = 2
    """Between two lists of up to 100 further generations. At most two lists are requested per second."""


class SyncSoPrices(Settings):
    """US dollars per second of the result: `VIDEOJOBS_PRICE_...`. The upper end of the published range, which depends
    on the plan (Sync.so 8)."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_PRICE_")

    lipsync_2: Money = Decimal("0.05")
    """Published: 0.04 to 0.05 (Sync.so 8)."""

    lipsync_2_pro: Money = Decimal("0.083")
    """Published: 0.067 to 0.083 (Sync.so 8)."""

    lipsync_1_9_0_beta: Money = Decimal("0.025")
    """Published: 0.02 to 0.025 (Sync.so 8)."""

    sync_3: Money = Decimal("0.133")
    """Published: 0.107 to 0.133 (Sync.so 8)."""

    def usd_per_second(self, model: LipSyncModel) -> Decimal:
        """US dollars per second of the model's result."""
        return {
            "lipsync-2": self.lipsync_2,
            "lipsync-2-pro": self.lipsync_2_pro,
            "lipsync-1.9.0-beta": self.lipsync_1_9_0_beta,
            "sync-3": self.sync_3,
        }[model]
