"""The vendors' limits as Prefect global concurrency limits, shared by all workers on all machines."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.slots import GHOSTCUT_WORKS, SYNC_SO_GENERATIONS


class VendorSlots(BaseSettings):
    """How many jobs may be at a vendor at once: `VIDEOJOBS_SLOTS_...`, applied by `make register`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_SLOTS_", env_ignore_empty=True)

    sync_so: int = Field(default=3, ge=1)
    """The Sync.so plan: Free and Hobbyist 1, Creator 3, Growth 6, Scale 15."""

    ghostcut: int = Field(default=20, ge=1)
    """The vendor documents no limit; this one keeps a mistake from becoming a hundred paid works at once."""

    def by_name(self) -> dict[str, int]:
        """The limits under their names on the Prefect server."""
        return {SYNC_SO_GENERATIONS: self.sync_so, GHOSTCUT_WORKS: self.ghostcut}
