"""The vendors' limits as Prefect global concurrency limits, shared by all workers on all machines."""

from math import ceil

from prefect.client.orchestration import PrefectClient
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.runtime.concurrency import (
    GHOSTCUT_SUBMITS,
    GHOSTCUT_WORKS,
    SYNC_SO_CREATES,
    SYNC_SO_GENERATIONS,
    SYNC_SO_READS,
)


class ConcurrencySettings(BaseSettings):
    """Maximum of concurrent jobs at a vendor: `VIDEOJOBS_SLOTS_...`, applied by `make deploy`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_SLOTS_", env_ignore_empty=True)

    sync_so: int = Field(default=3, ge=1)
    """The Sync.so plan: Free and Hobbyist 1, Creator 3, Growth 6, Scale 15."""

    ghostcut: int = Field(default=20, ge=1)
    """The vendor documents no limit; this one keeps a mistake from buying a hundred works at once."""

    def by_name(self) -> dict[str, int]:
        """The limits by their names on the Prefect server."""
        return {SYNC_SO_GENERATIONS: self.sync_so, GHOSTCUT_WORKS: self.ghostcut}


class RateLimitSettings(BaseSettings):
    """Maximum of requests per second to a vendor: `VIDEOJOBS_RATE_...`, applied by `make deploy`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_RATE_", env_ignore_empty=True)

    sync_so_creates: float = Field(default=1, gt=0, le=1000)
    """Sources disagree; one generation per second is safe by all of them (Sync.so 8)."""

    sync_so_reads: float = Field(default=5, gt=0, le=1000)
    """As above: five reads per second."""

    ghostcut_submits: float = Field(default=1, gt=0, le=1000)
    """The vendor documents no limit, but its code 3006 may mean one (GhostCut 8 and 13). As for Sync.so."""

    def by_name(self) -> dict[str, float]:
        """The limits by their names on the Prefect server."""
        return {
            SYNC_SO_CREATES: self.sync_so_creates,
            SYNC_SO_READS: self.sync_so_reads,
            GHOSTCUT_SUBMITS: self.ghostcut_submits,
        }


async def register_limits(client: PrefectClient) -> list[str]:
    """Create or update the limits on the server; gives a line for each."""
    lines = []
    for name, slots in ConcurrencySettings().by_name().items():
        await client.upsert_global_concurrency_limit_by_name(name, slots)
        lines.append(f"concurrency limit {name}: {slots}")
    for name, rate in RateLimitSettings().by_name().items():
        # A second's requests may go out together.
        await client.upsert_global_concurrency_limit_by_name(name, ceil(rate), slot_decay_per_second=rate)
        lines.append(f"rate limit {name}: {rate:g}/s")
    return lines
