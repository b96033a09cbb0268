"""Settings of the API process: `VIDEOJOBS_API_...` in its environment."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from videojobs.db.tokens import Scope
from videojobs.settings import Settings

MIN_RSA_BITS: Final = 2048  # RFC 7518, 3.3

_ORIGIN_PATTERN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")


def _validate_origin(text: str) -> str:
    """`text`, if it is an origin as browsers send it. Raises ValueError."""
    if "*" in text:
        raise ValueError(
            f"{text} would let unknown websites read what a signed-in user may see; name each origin instead"
        )
    if not _ORIGIN_PATTERN.fullmatch(text):
        raise ValueError(
            f"{text} is not an origin; write scheme and host, such as https://editor.example.com, without a path or a "
            "slash at the end"
        )
    return text


Origin = Annotated[str, AfterValidator(_validate_origin)]


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

    estimate_timeout_seconds: float = Field(default=30, gt=0, le=300)
    """How long an estimate may fetch and decode its files: a clip of five minutes in 720p is decoded in 4 s. What takes
    longer is left to the job's run, and the estimate says so."""

    estimate_max_bytes: int = Field(default=1024**3, ge=1024, le=50 * 1024**3)
    """Largest file that an estimate examines. Files from links take as much temporary space while they are decoded."""

    max_estimates: int = Field(default=4, ge=1, le=100)
    """Concurrent estimates that examine files, half of them of one user; further ones get 503 or 429. Decoding takes
    whole cores of the machine that also answers everybody else."""

    max_batch_rows: int = Field(default=200, ge=1, le=1000)
    """Jobs in one batch: a megabyte (`max_json_bytes`) of rows with a few segments. All are created in one transaction,
    which takes a few milliseconds for each."""

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

    result_link_days: float = Field(default=7, gt=0, le=366)
    """Lifetime of `output_url`, a link that needs no token: a week, the limit of storage links. A job shows a new link
    each hour, and its links can be revoked."""

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


def _load_public_key(text: str) -> str:
    """A PEM key; `\\n` in it is a line break, since many environments cannot hold one. Raises ValueError."""
    pem = text.replace("\\n", "\n").strip()
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise ValueError(f"must be an RSA public key in PEM, of {MIN_RSA_BITS} bits or more")
    return pem


class PartnerTokenSettings(Settings):
    """Tokens (JWT, RS256) that a partner signs for its own users: `VIDEOJOBS_JWT_...`. Off unless `public_key` or
    `jwks_url` is set; then `issuer` and `audience` are required, too.
    """

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_JWT_", env_ignore_empty=True, frozen=True)

    public_key: Annotated[str, AfterValidator(_load_public_key)] | None = None
    """The partner's RSA public key in PEM, with line breaks or `\\n`. To change it without a break, use `jwks_url`."""

    jwks_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+(/[^#\s]*)?$")
    """Where the partner publishes its keys (JSON Web Key Set); they may change at any time. https, unless
    `jwks_allow_private` is set."""

    jwks_allow_private: bool = False
    """Allow `jwks_url` to lead into a private network, also by plain http: for a sign-in service of one's own."""

    jwks_cache_seconds: float = Field(default=300, ge=10, le=86_400)
    """How long keys are used before they are fetched again: a withdrawn key is refused within five minutes."""

    jwks_max_stale_seconds: float = Field(default=3600, ge=0, le=86_400)
    """How long known keys are used while they cannot be fetched: an hour's outage of the partner stops nobody."""

    issuer: str | None = Field(default=None, min_length=1)
    """The `iss` that every token must have."""

    audience: str | None = Field(default=None, min_length=1)
    """The `aud` that every token must have, so that a token for another service of the partner is not accepted here."""

    leeway_seconds: float = Field(default=30, ge=0, le=300)
    """Tolerance for the clocks of both sides when `exp`, `nbf` and `iat` are checked."""

    max_lifetime_hours: float = Field(default=24, gt=0, le=24 * 31)
    """Tokens that are valid for longer than this from now on are refused: unlike our own, they cannot be revoked."""

    scope_claim: str = Field(default="scope", min_length=1)
    """The claim that says what its user may do: text with words, or a list of texts."""

    scopes: Mapping[str, tuple[Scope, ...]] = {"submit": (Scope.SUBMIT,), "read": (Scope.READ,)}
    """Our scopes by the words of that claim, as JSON: `{"pro": ["submit", "read"]}`. The word `*` stands for every
    token, also without the claim. A token whose words give no scope is refused."""

    @model_validator(mode="after")
    def _require_complete(self) -> Self:
        if self.public_key is not None and self.jwks_url is not None:
            raise ValueError("set VIDEOJOBS_JWT_PUBLIC_KEY or VIDEOJOBS_JWT_JWKS_URL, not both")
        if self.is_enabled and not (self.issuer and self.audience):
            raise ValueError(
                "set VIDEOJOBS_JWT_ISSUER and VIDEOJOBS_JWT_AUDIENCE, too: tokens are checked against them"
            )
        if self.jwks_url is not None and not self.jwks_url.startswith("https:") and not self.jwks_allow_private:
            raise ValueError(
                "VIDEOJOBS_JWT_JWKS_URL must begin with https://: whoever can replace the keys can be any user"
            )
        return self

    @property
    def is_enabled(self) -> bool:
        return self.public_key is not None or self.jwks_url is not None


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
