"""How the front door is served, and how long it waits: `VIDEOJOBS_GATEWAY_...`."""

from typing import Literal

from pydantic import Field, SecretStr
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

    ready_seconds: float = Field(default=2, gt=0, le=60)
    """How long Postgres, Prefect and the storage may each take to prove that they are there. All answer in 0.05 s, and
    whoever asks for `/readyz` asks every few seconds."""

    metrics_token: SecretStr | None = None
    """The bearer token that `/metrics` wants. Unset: it answers callers on the same machine, and none whom a proxy
    brings."""

    metrics_seconds: float = Field(default=10, ge=0, le=3600)
    """How old the figures of the job state in `/metrics` may be, however many ask. Prometheus asks every 15 to 60 s."""

    log_format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object a line for whatever collects them."""

    drain_seconds: float = Field(default=20, ge=0, le=3600)
    """How long requests that are under way may take to end once the door is told to close: an upload of some hundred
    megabytes. Kubernetes kills after 30 s, systemd after 90 s."""
