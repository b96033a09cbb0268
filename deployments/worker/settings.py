"""What an operator may set for a coroutine worker: `VIDEOJOBS_WORKER_...` in its environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """How many runs at once is Prefect's own option: `prefect worker start --limit`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_WORKER_", env_ignore_empty=True, frozen=True)

    heartbeat_seconds: float = Field(default=30, gt=0, le=3600)
    """Between two signs of life of each run. Three of them fit into the default of `VIDEOJOBS_SILENCE_SECONDS`; with
    thousands of runs both may grow: each sign costs the Prefect server about as much as a log line."""

    drain_seconds: float = Field(default=5, ge=0, le=3600)
    """How long runs may go on to an end of their own when the worker is asked to stop. Then they are stopped where
    they are, and handed back. Ours: less than the 10 s after which Docker kills, with room for handing back."""

    starts_at_once: int = Field(default=16, ge=1, le=1000)
    """Runs that begin at once: from the moment that one is taken until it waits for a vendor. More of them do not get
    there sooner, and leave the Prefect server no time for its events. Ours: the connections of Prefect's client."""

    begin_seconds: float = Field(default=30, gt=0, le=3600)
    """A run that says nothing of waiting, such as a lecture, makes room for the next one after so long."""

    threads: int = Field(default=64, ge=1, le=1000)
    """At most so many calls that block, of all runs together: transfers, decoding, paid calls (which may take a minute
    each, and are as many as there are places at the vendors). Python's own default is 6 on a machine of 2 cores."""

    sweep_seconds: float = Field(default=30, gt=0, le=3600)
    """Between two looks for runs that nobody sees to. A look is one request, most of the time."""
