"""Limits, timings and access from the environment. Each default says where it comes from.

Code reads them by `TimingSettings.current()`: parsing the environment takes a tenth of a millisecond, which was a third
of the event loop's time with a thousand jobs.

Vendor facts are named by their page: "Sync.so 8" is section 8 of the vendor's fact sheet. A vendor's own settings are
in its folder, `videojobs/providers/<vendor>/settings.py`.
"""

from typing import Annotated, ClassVar, Final, Self, cast

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from videojobs.settings_alias import AliasedSettings

GIB = 1024**3
MIB = 1024**2
DAY_SECONDS = 86_400


def _split_commas(value: object) -> object:
    """Splits `"MP4, mov"` from an environment variable; leaves anything else to pydantic."""
    if not isinstance(value, str):
        return value
    return [name.strip().lower() for name in value.split(",") if name.strip()]


Containers = Annotated[frozenset[str], NoDecode, BeforeValidator(_split_commas)]
"""Container names as the probe reports them; separated by commas in the environment."""

HostPattern = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$")]
Hosts = Annotated[frozenset[HostPattern], NoDecode, BeforeValidator(_split_commas)]
"""Host names, or `*.example.com` for all subdomains; separated by commas in the environment."""

DelaySeconds = Annotated[float, Field(gt=0, le=DAY_SECONDS, allow_inf_nan=False)]
"""More than 0, at most a day."""


class Settings(AliasedSettings):
    """Read from the environment; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    @classmethod
    def current(cls) -> Self:
        """Parsed once per process, on first use."""
        if cls not in _current:
            _current[cls] = cls()
        return cast("Self", _current[cls])


_current: Final[dict[type[Settings], Settings]] = {}


class LimitSettings(Settings):
    """Limits of a job request: `VIDEOJOBS_LIMIT_...`. Checked before anything is uploaded or paid for."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_LIMIT_")

    max_video_seconds: float = Field(default=300, gt=0, le=7200)
    """The Sync.so plan: Free 20, Hobbyist 60, Creator 300, Growth 600, Scale 1800 (Sync.so 8). Creator is the
    smallest plan that runs more than one job at a time."""

    max_video_bytes: int = Field(default=5 * GIB, gt=0, le=50 * GIB)
    """Sync.so accepts files of up to 5 GiB (Sync.so 2 and 8)."""

    max_picture_long_side: int = Field(default=4096, ge=16, le=16_384)
    """Sync.so writes at most 4096 x 2160 pixels (Sync.so 8)."""

    max_picture_short_side: int = Field(default=2160, ge=16, le=16_384)
    """See `max_picture_long_side`. Sync.so does not say which side is meant, so a portrait picture gets the same limits
    (Sync.so 8)."""

    max_audio_seconds: float = Field(default=300, gt=0, le=7200)
    """Sync.so's limit for one audio file; it is an older figure, and no newer one is published (Sync.so 8)."""

    max_audio_bytes: int = Field(default=256 * MIB, gt=0, le=5 * GIB)
    """Ours: 300 s of 32-bit stereo at 96 kHz are 220 MiB, so every clip within `max_audio_seconds` fits."""

    max_segments: int = Field(default=200, ge=1, le=10_000)
    """Ours: the vendor documents no maximum (Sync.so 3). One cut every 1.5 s of a Creator plan's 300 s."""

    min_segment_seconds: float = Field(default=0.1, gt=0, le=60)
    """Ours: the vendor documents no minimum (Sync.so 14). A tenth of a second is shorter than
    a syllable: certainly a mistake."""

    end_margin_seconds: float = Field(default=0.05, ge=0, le=1)
    """Segments end at least this long before the end of the video, and crops before the end of their audio. Sync.so
    rejects an end that is 2 ms past the file's, and measures files in its own way; in real calls 50 to 100 ms were
    enough (Sync.so 15)."""

    segment_gap_seconds: float = Field(default=0.02, ge=0, le=1)
    """The gap between two segments. Sync.so rejects segments that touch; in real calls 10 to 50 ms were enough
    (Sync.so 15)."""

    max_areas: int = Field(default=100, ge=1, le=10_000)
    """Ours: GhostCut's basic model has no stated maximum of boxes (GhostCut 3 and 13)."""

    inpaint_max_seconds: float = Field(default=899, gt=0, le=7200)
    """GhostCut rejects 15 min and advises to stay at 14:59 or below (GhostCut 9)."""

    inpaint_max_bytes: int = Field(default=1_000_000_000, gt=0, le=50 * GIB)
    """GhostCut rejects 1000 MB *and more* with status 100 (GhostCut 5): a file must be smaller than this. It does not
    say which MB; the decimal one is the smaller."""

    inpaint_containers: Containers = Field(default=frozenset({"mp4", "mov", "avi"}), min_length=1)
    """What GhostCut lists for video, as far as it can be detected from the content. It applies to text
    removal without lip-sync: the lip-sync result is an mp4."""

    max_result_bytes: int = Field(default=20 * GIB, gt=0, le=78 * GIB)
    """Ours: four times the largest input video, since vendors re-encode. An endless stream must not fill
    the storage; more than 78 GiB cannot be stored in parts of 8 MiB."""

    video_containers: Containers = Field(default=frozenset({"mp4", "mov", "webm", "avi"}), min_length=1)
    """What Sync.so lists for video (Sync.so 8)."""

    audio_containers: Containers = Field(default=frozenset({"wav", "mp3", "ogg", "flac", "mp4"}), min_length=1)
    """What Sync.so lists for audio with full support. It lists m4a and aac as "limited", and does not explain the word
    (Sync.so 8)."""


class TimingSettings(Settings):
    """Intervals, time-outs and lifetimes: `VIDEOJOBS_...`. Seconds unless the name says hours or days."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    old_names: ClassVar = {
        "VIDEOJOBS_PLACE_LEASE_SECONDS": "slot_lease_seconds",
        "VIDEOJOBS_REPLAY_HOURS": "idempotent_retry_hours",
        "VIDEOJOBS_MEDIA_LINK_HOURS": "input_url_ttl_hours",
        "VIDEOJOBS_RESULT_LINK_DAYS": "result_url_ttl_days",
    }

    poll_attempt_seconds: DelaySeconds = 900
    """One polling attempt, before it is returned to Prefect as a retry. Each costs the Prefect server about 12
    requests: long enough for a thousand waiting jobs, short enough to show that they are alive."""

    poll_give_up_hours: float = Field(default=6, gt=0, le=24 * 14)
    """How long a job waits for a vendor before it is parked. Both vendors usually take minutes (Sync.so 8)."""

    input_url_ttl_hours: float = Field(default=24, gt=0, le=24 * 7)
    """Lifetime of the links by which vendors fetch our files. A work may queue for hours (GhostCut 11), and a
    retried submission must send the same bytes (Sync.so 4). S3 signs for 7 days at most."""

    result_url_ttl_days: float = Field(default=7, gt=0, le=7)
    """Lifetime of a user's link to a result: S3's maximum."""

    lease_seconds: DelaySeconds = 60
    """Lifetime of a job lease: how long a crashed run blocks its job."""

    slot_lease_seconds: int = Field(default=300, ge=60, le=DAY_SECONDS)
    """Lifetime of a vendor slot's lease: how long a crashed run occupies its slot. With file-based leases, the Prefect
    server rewrites the list of all leases at each renewal: the more jobs wait, the longer this should be."""

    idempotent_retry_hours: float = Field(default=20, ge=0, le=24)
    """How long a submission with an unknown outcome is retried with its idempotency key. The vendor does not say how
    long it keeps keys, and advises against relying on a day (Sync.so 4); the links in the request last 24 h, too. After
    that, the vendor's list is searched, and the job is parked if it is not found."""

    recovery_attempts: int = Field(default=10, ge=1, le=1000)
    """How many runs of a job may crash or end in an unhandled error at one recovery point before it is parked. Ours: a
    bad day of restarts stays below it, a job that kills its process does not."""

    retry_delay_seconds: float = Field(default=10, ge=0, le=3600)
    """The pause before a retry, if the other side named none."""

    @property
    def result_url_ttl_seconds(self) -> int:
        return round(self.result_url_ttl_days * DAY_SECONDS)


class LinkSettings(Settings):
    """Time-outs for downloads from clients' and vendors' links: `VIDEOJOBS_LINK_...`.

    A transfer may take `base_seconds` plus the time of the largest allowed file at the usual rate: 69 min for a video
    of 5 GiB, 13 min for an audio file of 256 MiB. Redirects, headers and body share that time.
    """

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_LINK_")

    connect_seconds: DelaySeconds = 10
    """To open a connection, and as long again for TLS; a host that takes longer is down."""

    base_seconds: DelaySeconds = 600
    """Ours: ten minutes at the minimum rate are 19 MB, so a slow line still delivers a clip and its audio."""

    usual_bytes_per_second: float = Field(default=1_500_000, gt=0, allow_inf_nan=False)
    """Ours: 12 Mbit/s, about the upload rate of a home line; internet storage gives ten times as much."""

    min_bytes_per_second: float = Field(default=32_000, ge=0, allow_inf_nan=False)
    """Ours: a quarter of a Mbit/s, the upload rate of the slowest DSL line. Below that, uploading the file to the API
    is faster."""

    window_seconds: DelaySeconds = 30
    """The rate is averaged over this window: a server that reads a file from its archive first may be silent for most
    of it. HTTP clients often use this value as their read time-out."""


class AccessSettings(Settings):
    """Where inputs and results may be fetched from, and where vendors reach us: `VIDEOJOBS_...`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    allow_local_files: bool = False
    """Paths and `file://`. For local stacks only: on a server it would let any client read the server's files."""

    allow_plain_http: bool = False
    """`http://`. For local stacks only: unencrypted files can be read and replaced on the way."""

    input_hosts: Hosts = frozenset()
    """Hosts that clients' links may lead to, redirects included. Empty: any host with a public address."""

    result_hosts: Hosts = frozenset()
    """Hosts that vendors' links may lead to. Empty: any public host, since vendors change their storage unannounced."""

    allow_private_inputs: bool = False
    """Clients' links into private networks. For local stacks only: on a server it would let any client fetch what only
    the server can reach, such as the cloud's metadata service with the machine's keys."""

    allow_private_results: bool = False
    """Vendors' links into private networks. For local stacks, whose emulators run on the same machine."""

    public_url: str | None = Field(default=None, pattern="^https?://[^/?#]+(/[^?#]*)?$")
    """The API's public URL, for the vendors' callbacks and for links to results. Unset: no callbacks, only polling; and
    links begin with the address to which the client sent its request."""
