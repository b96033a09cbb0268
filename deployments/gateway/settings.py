"""How the front door is served, and how long it waits: `VIDEOJOBS_GATEWAY_...`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Door(BaseSettings):
    """Where it is seen from outside is another setting: `VIDEOJOBS_PUBLIC_URL`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_GATEWAY_", env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    """What takes the internet's connections and speaks TLS stands before it, as a rule on the same machine."""

    port: int = Field(default=8080, ge=1, le=65_535)

    block_seconds: float = Field(default=60, ge=0, le=3600)
    """How long a block is believed to be unchanged. A callback in every second would else ask Prefect in every
    second; and who changes a key expects it to count within a minute or so."""

    load_seconds: float = Field(default=3, gt=0, le=60)
    """How long a block is waited for before the one that is known already is taken: Prefect answers in 0.05 s."""

    answer_seconds: float = Field(default=10, gt=0, le=300)
    """How long a callback may take, its body included. How long the vendors wait is not documented; an answer that
    comes too late is no answer, and a "come again" in time is."""
