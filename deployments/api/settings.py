"""Settings of the API process: `VIDEOJOBS_API_...` in its environment."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from videojobs.settings import Settings

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]+)?$")]
"""As browsers send it: no path, no slash at the end. No `*`: an allowed page may read what a cookie gives access to."""


def _split_list(value: object) -> object:
    """`"https://a.example, https://b.example"` as a list."""
    return [item.strip().lower() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class ApiSettings(Settings):
    """The address that clients and vendors use is a setting of its own: `VIDEOJOBS_PUBLIC_URL`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_API_")

    host: str = "127.0.0.1"
    """Address to listen on. As a rule, a proxy on the same machine faces the internet and ends TLS."""

    port: int = Field(default=8080, ge=1, le=65_535)
    """The TCP port on `host`."""

    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split_list)] = ()
    """Origins whose pages may call this API from a browser, separated by commas: for an editor on another host. Empty:
    only our own pages, which need no permission."""

    block_cache_seconds: float = Field(default=60, ge=0, le=3600)
    """How long a loaded block is reused. Otherwise a callback per second would mean a request to Prefect per second;
    and an operator who changes a key expects it to take effect within about a minute."""

    block_load_timeout_seconds: float = Field(default=3, gt=0, le=60)
    """Wait for a block before the cached one is used instead. Prefect responds in 0.05 s."""

    callback_timeout_seconds: float = Field(default=10, gt=0, le=300)
    """Limit for a callback, its body included, and for each call to Prefect. The vendors do not document how long they
    wait; a response that is too late is lost, a 503 in time makes them send the callback again."""

    readiness_timeout_seconds: float = Field(default=2, gt=0, le=60)
    """Limit for each dependency check of `/readyz`. Postgres, Prefect and the storage respond in 0.05 s, and probes
    come every few seconds."""

    metrics_token: SecretStr | None = None
    """Bearer token for `/metrics`. Unset: `/metrics` answers direct callers on the same machine only, no proxy."""

    metrics_cache_seconds: float = Field(default=10, ge=0, le=3600)
    """Maximum age of the job statistics in `/metrics`, whatever the number of scrapers. Prometheus scrapes every 15 to
    60 s."""

    log_format: Literal["text", "json"] = "text"
    """`text` for people, `json` (one object per line) for log collectors."""

    drain_seconds: float = Field(default=20, ge=0, le=3600)
    """How long open requests may take to finish after SIGTERM: an upload of some hundred megabytes. Kubernetes kills
    after 30 s, systemd after 90 s."""

    max_connections: int = Field(default=2000, ge=8, le=100_000)
    """Open connections: all event streams, all uploads, and 900 requests. Above it, a new connection replaces the one
    that has been idle longest, or gets 503 if none is idle. Lower where the process may not open as many files
    (`ulimit -n`, which the process raises as far as it may)."""

    max_connections_per_address: int | None = Field(default=None, ge=1, le=100_000)
    """Open connections of one client address. Unset, because a proxy has one address for all clients. Where clients
    connect directly, 100 fit a household or a small office."""

    max_header_bytes: int = Field(default=32 * 1024, ge=1024, le=1024**2)
    """All header lines of a request. A token and a browser's cookies take 1 to 8 KB. Other servers allow 8 to 64 KB."""

    max_header_lines: int = Field(default=100, ge=16, le=10_000)
    """Header lines of a request. Browsers send 20, proxies add some."""

    header_timeout_seconds: float = Field(default=20, gt=0, le=600)
    """Time for all header lines to arrive, from the first byte on. Usually it is one packet."""

    keep_alive_seconds: int = Field(default=75, ge=1, le=3600)
    """How long an idle connection stays open: longer than proxies keep theirs (usually 60 s), because a proxy returns
    502 for a request that meets a closing connection. Idle connections are closed first when the limit is reached."""

    write_timeout_seconds: float = Field(default=30, gt=0, le=3600)
    """How long a client may read nothing of its response: longer than a phone takes to change networks."""

    requests_per_minute: int = Field(default=1200, ge=1, le=1_000_000)
    """For each token. A client that polls 50 jobs every three seconds makes 1000."""

    failures_per_minute: int = Field(default=30, ge=1, le=1_000_000)
    """Requests with an invalid token from one address: enough for a script with an old token, too few to guess one."""

    max_json_bytes: int = Field(default=1024**2, ge=1024, le=64 * 1024**2)
    """Body of a request without files, and all text fields of a form together. 10,000 segments take 1 MB."""

    json_timeout_seconds: float = Field(default=60, gt=0, le=3600)
    """Time for such a body to arrive: a megabyte over a bad mobile connection."""

    max_form_bytes: int = Field(default=6 * 1024**3, ge=1024, le=100 * 1024**3)
    """A whole form: the largest video (5 GiB) and audio for an hour and a half."""

    max_batch_files: int = Field(default=50, ge=1, le=180)
    """Videos in one form of `batch-process`. Each becomes a paid job; a larger selection is rather a mistake."""

    max_uploads: int = Field(default=100, ge=1, le=10_000)
    """Concurrent forms with files, of all clients. Each holds a connection; further ones get 503."""

    upload_buffers: int = Field(default=24, ge=2, le=1000)
    """Buffers of 5 MiB that all uploads share: 120 MiB at most. An upload waits, unread, until one is free."""

    upload_stall_seconds: float = Field(default=30, gt=0, le=3600)
    """How long an upload may send nothing: longer than a phone takes to change networks."""

    min_upload_bytes_per_second: int = Field(default=16_384, ge=0, le=1024**3)
    """Average rate that an upload needs after `upload_stall_seconds`: a tenth of a bad mobile connection. A slower
    upload holds a buffer that others need."""

    direct_upload_url_ttl_hours: float = Field(default=24, gt=0, le=24 * 7)
    """Lifetime of a direct upload's links. Unfinished uploads are removed after it."""

    max_direct_uploads: int = Field(default=50, ge=1, le=10_000)
    """Unfinished direct uploads of one user: they take space in the storage."""

    download_url_ttl_minutes: float = Field(default=60, gt=0, le=7 * 24 * 60)
    """Lifetime of a download link: as long as someone may watch the video."""

    max_streams: int = Field(default=1000, ge=1, le=100_000)
    """Open event streams. Each holds a connection, but none to Postgres."""

    job_poll_interval_seconds: float = Field(default=1, gt=0, le=60)
    """Interval of the query for changes of all jobs that have event streams."""

    heartbeat_seconds: float = Field(default=15, gt=0, le=300)
    """Interval of comment lines in an event stream. Proxies close connections that are silent for 30 to 60 s."""

    stream_minutes: float = Field(default=15, gt=0, le=24 * 60)
    """Lifetime of an event stream. Browsers then reconnect by themselves, and the token is checked again."""

    launch_retry_seconds: float = Field(default=5, gt=0, le=600)
    """Interval of attempts to start the runs of jobs that were accepted just before Prefect became unavailable."""

    cleanup_interval_minutes: float = Field(default=10, gt=0, le=24 * 60)
    """Interval of the removal of what aborted uploads left in the storage."""


_OLD_FIELD_NAMES: Final = {
    "block_cache_seconds": "block_seconds",
    "block_load_timeout_seconds": "load_seconds",
    "callback_timeout_seconds": "answer_seconds",
    "readiness_timeout_seconds": "ready_seconds",
    "metrics_cache_seconds": "metrics_seconds",
    "max_connections": "connections",
    "max_connections_per_address": "connections_each",
    "max_header_bytes": "head_bytes",
    "max_header_lines": "head_lines",
    "header_timeout_seconds": "head_seconds",
    "keep_alive_seconds": "idle_seconds",
    "write_timeout_seconds": "unread_seconds",
    "max_json_bytes": "json_bytes",
    "json_timeout_seconds": "json_seconds",
    "max_form_bytes": "form_bytes",
    "max_uploads": "uploads_at_once",
    "upload_buffers": "upload_parts",
    "min_upload_bytes_per_second": "upload_slowest",
    "direct_upload_url_ttl_hours": "direct_upload_hours",
    "max_direct_uploads": "direct_uploads_at_once",
    "download_url_ttl_minutes": "link_minutes",
    "max_streams": "streams_at_once",
    "job_poll_interval_seconds": "look_seconds",
    "launch_retry_seconds": "start_again_seconds",
    "cleanup_interval_minutes": "sweep_minutes",
}
# Until 0.1 the prefix was VIDEOJOBS_GATEWAY_; the last one had another name under the new prefix too.
ApiSettings.old_names = {
    f"VIDEOJOBS_GATEWAY_{_OLD_FIELD_NAMES.get(field, field).upper()}": field for field in ApiSettings.model_fields
} | {"VIDEOJOBS_API_DIRECT_UPLOAD_HOURS": "direct_upload_url_ttl_hours"}
