"""How the front door is served, and how long it waits: `VIDEOJOBS_GATEWAY_...`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]
"""As browsers send it: no path, and no slash at the end. No `*`: an allowed page may read what a cookie shows."""


def _split_list(value: object) -> object:
    """`"https://a.example, https://b.example"` as it stands in an environment variable."""
    return [item.strip().lower() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class ApiSettings(BaseSettings):
    """Where it is seen from outside is another setting: `VIDEOJOBS_PUBLIC_URL`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_GATEWAY_", env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    """What takes the internet's connections and speaks TLS stands before it, as a rule on the same machine."""

    port: int = Field(default=8080, ge=1, le=65_535)
    """The TCP port on `host`."""

    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split_list)] = ()
    """Pages of other hosts that may call this door from a browser, separated by commas: an editor that is served
    elsewhere. None named: only our own pages, which need no permission."""

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

    connections: int = Field(default=2000, ge=8, le=100_000)
    """Open ones. Beyond it, one that has no request under way is closed for a new one; if all have one, the new one is
    asked to come again. All listeners, all uploads, and 900 requests. Fewer where the process may not open as many
    files (`ulimit -n`, of which it takes as many as it needs)."""

    connections_each: int | None = Field(default=None, ge=1, le=100_000)
    """Of one client's address. Unset, since what stands before the door has one address for all of them; where
    clients connect to the door itself, 100 are a household or a small office."""

    head_bytes: int = Field(default=32 * 1024, ge=1024, le=1024**2)
    """All header lines of a request: a token and a browser's cookies have 1 to 8 KB. Others take 8 to 64 KB."""

    head_lines: int = Field(default=100, ge=16, le=10_000)
    """Header lines: browsers send 20, proxies add some."""

    head_seconds: float = Field(default=20, gt=0, le=600)
    """How long all of them may take to come, from the first byte on: it is one packet as a rule."""

    idle_seconds: int = Field(default=75, ge=1, le=3600)
    """How long a connection is kept for a next request: longer than proxies keep theirs (60 s as a rule), since a
    request that meets the closing is answered with 502 there. Where room is needed, idle ones go first."""

    unread_seconds: float = Field(default=30, gt=0, le=3600)
    """How long a client may read nothing of its answer: longer than a phone that changes its network."""

    requests_per_minute: int = Field(default=1200, ge=1, le=1_000_000)
    """For each token. A client with 50 jobs that asks for each one's status every three seconds makes 1000."""

    failures_per_minute: int = Field(default=30, ge=1, le=1_000_000)
    """Requests with a token that is not valid, from one address: a script with an old one, not somebody who guesses."""

    json_bytes: int = Field(default=1024**2, ge=1024, le=64 * 1024**2)
    """The body of a request without files, and all text fields of one with files. 10,000 segments have 1 MB."""

    json_seconds: float = Field(default=60, gt=0, le=3600)
    """How long such a body may take: a megabyte over a bad mobile connection."""

    form_bytes: int = Field(default=6 * 1024**3, ge=1024, le=100 * 1024**3)
    """A request with files as a whole: the largest video (5 GiB), and sound for an hour and a half."""

    uploads_at_once: int = Field(default=100, ge=1, le=10_000)
    """Requests with files, of all clients; the next one is asked to come again. Each holds a connection."""

    upload_parts: int = Field(default=24, ge=2, le=1000)
    """Parts of files in memory, 5 MiB each, of all uploads together: 120 MiB at most. An upload that finds none free
    is not read until one is."""

    upload_stall_seconds: float = Field(default=30, gt=0, le=3600)
    """How long an upload may send nothing: longer than a phone that changes its network."""

    upload_slowest: int = Field(default=16_384, ge=0, le=1024**3)
    """Bytes a second that an upload has to bring on average, after its first stall's time: a tenth of a bad mobile
    connection. Whoever is slower holds a part in memory that others need."""

    direct_upload_hours: float = Field(default=24, gt=0, le=24 * 7)
    """How long the links of a direct upload last, and after which time one that was not finished is removed."""

    direct_uploads_at_once: int = Field(default=50, ge=1, le=10_000)
    """For each user: unfinished ones take room in the storage."""

    link_minutes: float = Field(default=60, gt=0, le=7 * 24 * 60)
    """How long a download's link lasts: as long as somebody may watch the video."""

    streams_at_once: int = Field(default=1000, ge=1, le=100_000)
    """Listeners to jobs' events. Each holds a connection, and no connection to Postgres."""

    look_seconds: float = Field(default=1, gt=0, le=60)
    """Between two looks at the jobs that somebody listens to, all of them in one query."""

    heartbeat_seconds: float = Field(default=15, gt=0, le=300)
    """Between two lines to a listener. Proxies close connections that are silent for 30 to 60 s."""

    stream_minutes: float = Field(default=15, gt=0, le=24 * 60)
    """After which a listener has to come again (browsers do by themselves), and its token is looked at again."""

    start_again_seconds: float = Field(default=5, gt=0, le=600)
    """Between two attempts to start the run of a job that was taken in just before Prefect went away."""

    sweep_minutes: float = Field(default=10, gt=0, le=24 * 60)
    """Between two looks for what broken-off uploads left in the storage."""
