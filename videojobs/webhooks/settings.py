"""Settings of webhooks: `VIDEOJOBS_WEBHOOK_...`."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from videojobs.settings import DelaySeconds, Settings


def _split_numbers(value: object) -> object:
    """`"5, 300"` as a list; anything else is left to pydantic."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class WebhookSettings(Settings):
    """Webhooks to clients: `VIDEOJOBS_WEBHOOK_...`. The API process sends them."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_WEBHOOK_")

    retry_delays_seconds: Annotated[
        tuple[DelaySeconds, ...], NoDecode, BeforeValidator(_split_numbers), Field(max_length=50)
    ] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    """Pauses after each failed try, separated by commas; the first try is immediate. The example of the Standard
    Webhooks specification: 10 tries within three days, so that a receiver may be down over a weekend."""

    timeout_seconds: float = Field(default=15, gt=0, le=60)
    """Limit for a whole try, from the name look-up to the answer. The specification recommends 15 to 30 s."""

    disable_after_days: float = Field(default=5, gt=0, le=365)
    """An endpoint without a single success for so long is disabled: longer than all tries of one delivery take."""

    secret_overlap_hours: float = Field(default=24, ge=0, le=24 * 30)
    """How long messages are signed with the old secret, too, after a rotation: time to update all receivers."""

    max_concurrent: int = Field(default=64, ge=2, le=10_000)
    """Messages that one API process sends at a time. Slow receivers need many; but each takes some milliseconds of
    processor time, and with 200 on a machine with a tenth of a core left, tries ran out of time."""

    max_concurrent_per_endpoint: int = Field(default=4, ge=1, le=1000)
    """Of these for one endpoint, so that a slow one leaves room for the others. An endpoint whose last try failed
    gets one."""

    poll_seconds: float = Field(default=2, gt=0, le=60)
    """Interval of the query for retries that are due. New messages do not wait for it: Postgres notifies."""

    retention_days: float = Field(default=30, ge=7, le=3650)
    """How long deliveries and their tries are kept. They can be replayed for as long."""

    max_endpoints: int = Field(default=20, ge=1, le=1000)
    """Endpoints of one user: each multiplies the user's messages."""
