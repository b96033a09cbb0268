"""Limits, timings and access from the environment. Each default says where it comes from.

Vendor facts are named by their page: "Sync.so 8" is section 8 of the vendor's fact sheet. A vendor's own
settings are in its folder, `videojobs/providers/<vendor>/settings.py`.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

GIB = 1024**3
MIB = 1024**2
DAY_SECONDS = 86_400.0


def _split_commas(value: object) -> object:
    """`"MP4, mov"` as it stands in an environment variable; anything else is left to pydantic."""
    if not isinstance(value, str):
        return value
    return [name.strip().lower() for name in value.split(",") if name.strip()]


Containers = Annotated[frozenset[str], NoDecode, BeforeValidator(_split_commas)]
"""Everyday names of containers, as the probe gives them; in the environment separated by commas."""

HostPattern = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$")]
Hosts = Annotated[frozenset[HostPattern], NoDecode, BeforeValidator(_split_commas)]
"""Names of hosts, or `*.example.com` for all names below one; in the environment separated by commas."""

DelaySeconds = Annotated[float, Field(gt=0, le=DAY_SECONDS, allow_inf_nan=False)]
"""Seconds between two moments, more than nothing and a day at most."""


class LimitSettings(BaseSettings):
    """What a job may ask for: `VIDEOJOBS_LIMIT_...`. Checked before anything is uploaded or paid for."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_LIMIT_", env_ignore_empty=True, frozen=True)

    max_video_seconds: float = Field(default=300, gt=0, le=7200)
    """The Sync.so plan: Free 20, Hobbyist 60, Creator 300, Growth 600, Scale 1800 (Sync.so 8). Creator is the
    smallest plan that runs more than one job at a time."""

    max_video_bytes: int = Field(default=5 * GIB, gt=0, le=50 * GIB)
    """Sync.so takes 5 GiB a file (Sync.so 2 and 8)."""

    max_picture_long_side: int = Field(default=4096, ge=16, le=16_384)
    """Pixels. Sync.so writes at most 4096 x 2160 (Sync.so 8)."""

    max_picture_short_side: int = Field(default=2160, ge=16, le=16_384)
    """Pixels. As above; which side is which is not said, so a portrait picture gets the same room."""

    max_audio_seconds: float = Field(default=300, gt=0, le=7200)
    """Sync.so's cap for one audio (Sync.so 8, an older figure, and the newest that there is)."""

    max_audio_bytes: int = Field(default=256 * MIB, gt=0, le=5 * GIB)
    """Ours: 300 s of 32-bit stereo at 96 kHz are 220 MiB, so every clip within `max_audio_seconds` fits."""

    max_segments: int = Field(default=200, ge=1, le=10_000)
    """Ours: the vendor documents no maximum (Sync.so 3). One cut every 1.5 s of a Creator plan's 300 s."""

    min_segment_seconds: float = Field(default=0.1, gt=0, le=60)
    """Ours: the vendor documents no minimum (Sync.so 14). A tenth of a second is shorter than a syllable: a slip."""

    end_margin_seconds: float = Field(default=0.05, ge=0, le=1)
    """How long before the end of the video segments end, and crops before the end of their audio. Sync.so refuses ends
    2 ms past a file, and measures files in its own way; 50 to 100 ms are advised (Sync.so 15)."""

    segment_gap_seconds: float = Field(default=0.02, ge=0, le=1)
    """What is left between two segments. Sync.so refuses such as touch; 10 to 50 ms are advised (Sync.so 15)."""

    max_areas: int = Field(default=100, ge=1, le=10_000)
    """Ours: GhostCut's basic model has no stated maximum of boxes (GhostCut 3 and 13)."""

    inpaint_max_seconds: float = Field(default=899, gt=0, le=7200)
    """GhostCut refuses 15 min and advises to stay at 14:59 or below (GhostCut 9)."""

    inpaint_max_bytes: int = Field(default=1_000_000_000, gt=0, le=50 * GIB)
    """GhostCut refuses 1000 MB *and more* (GhostCut 5, status 100): a file must be smaller than this. Which MB is
    not said; the decimal one is the smaller."""

    max_result_bytes: int = Field(default=20 * GIB, gt=0, le=78 * GIB)
    """Ours: four times the largest video that goes in, since vendors encode anew. A file without an end must not fill
    the storage; more than 78 GiB cannot be stored in parts of 8 MiB."""

    video_containers: Containers = Field(default=frozenset({"mp4", "mov", "webm", "avi"}), min_length=1)
    """What Sync.so lists for video (Sync.so 8)."""

    audio_containers: Containers = Field(default=frozenset({"wav", "mp3", "ogg", "flac", "mp4"}), min_length=1)
    """What Sync.so lists for audio with full support; m4a and aac are "limited", whatever that means (Sync.so 8)."""


class TimingSettings(BaseSettings):
    """How long things wait and last: `VIDEOJOBS_...`. Seconds unless the name says hours or days."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_", env_ignore_empty=True, frozen=True)

    poll_attempt_seconds: DelaySeconds = 900
    """One attempt at waiting, before it is handed back to Prefect as a retry. Each costs the Prefect server about 12
    requests: a thousand jobs that wait shall not keep it busy, and each still shows a sign of life to people."""

    poll_give_up_hours: float = Field(default=6, gt=0, le=24 * 14)
    """Both vendors take minutes as a rule (Sync.so 8); after this long somebody has to look."""

    media_link_hours: float = Field(default=24, gt=0, le=24 * 7)
    """How long the links last that vendors fetch our files by. A work may queue for hours (GhostCut 11), and a
    repeated submission must carry the same bytes (Sync.so 4). S3 signs for 7 days at most."""

    result_link_days: float = Field(default=7, gt=0, le=7)
    """How long a user's link to a result lasts: S3's maximum."""

    lease_seconds: DelaySeconds = 60
    """How long a run that has fallen silent keeps its job from others."""

    place_lease_seconds: int = Field(default=300, ge=60, le=86_400)
    """How long a place at a vendor is kept for a run that has fallen silent. With its leases in files, the Prefect
    server writes a list of all of them at each renewal: the more jobs wait, the longer this should be."""

    replay_hours: float = Field(default=20, ge=0, le=24)
    """How long a submission in doubt is sent again with its idempotency key. The vendor does not say how long it keeps
    keys, and advises not to count on a day (Sync.so 4); the links in the request last 24 h, too. After this time the
    vendor's list is searched for it, and what is not found there is parked."""

    recovery_attempts: int = Field(default=10, ge=1, le=1000)
    """How often a job may be taken up at one recovery point by runs that crash or end in an error nobody foresaw,
    before it is parked. Ours: a bad day of restarts stays below it, a job that kills its process does not."""

    retry_delay_seconds: float = Field(default=10, ge=0, le=3600)
    """The pause after an error that a retry can heal, where the other side named none."""


class LinkSettings(BaseSettings):
    """How patient we are with the other end of a link, a client's or a vendor's: `VIDEOJOBS_LINK_...`.

    A transfer may take `base_seconds`, and what the largest file that is taken there takes at the usual rate: 69 min
    for a video of 5 GiB, 13 min for a sound of 256 MiB. Redirects, headers and body share that time.
    """

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_LINK_", env_ignore_empty=True, frozen=True)

    connect_seconds: DelaySeconds = 10
    """Until an address has accepted a connection, and as long again for TLS; one that takes longer is down."""

    base_seconds: DelaySeconds = 600
    """Ours: ten minutes bring 19 MB at the least rate, so a slow line still brings a clip and its sounds."""

    usual_bytes_per_second: float = Field(default=1_500_000, gt=0, allow_inf_nan=False)
    """Ours: 12 Mbit/s; storage on the internet gives ten times as much, a home's line upwards about as much."""

    min_bytes_per_second: float = Field(default=32_000, ge=0, allow_inf_nan=False)
    """Ours: a quarter of a Mbit/s, which the slowest DSL line had upwards. Below that, a file is sooner here when it is
    uploaded at the front door."""

    window_seconds: DelaySeconds = 30
    """The rate is an average over so long: a server that fetches a file from its archive first may be silent for
    most of it. As long as the usual time-out for silence."""


class AccessSettings(BaseSettings):
    """Who reaches what: where inputs and results may be fetched from, and where vendors reach us."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_", env_ignore_empty=True, frozen=True)

    allow_local_files: bool = False
    """Paths and `file://`. For one's own machine: on a server this would let any client read the server's files."""

    allow_plain_http: bool = False
    """`http://`. For local stacks: anybody on the way can read and replace what comes unencrypted."""

    input_hosts: Hosts = frozenset()
    """Where clients' links may lead, redirects included. None named: to any host with a public address."""

    result_hosts: Hosts = frozenset()
    """Where vendors' links may lead. None named: to any public host, since vendors change their storage unasked."""

    allow_private_inputs: bool = False
    """Clients' links into private networks. For one's own machine: on a server this would let any client fetch what
    only the server can reach, such as the cloud's metadata service with the machine's own keys."""

    allow_private_results: bool = False
    """Vendors' links into private networks. For local stacks, whose emulators are on the same machine."""

    public_url: str | None = Field(default=None, pattern="^https?://[^/?#]+(/[^?#]*)?$")
    """Where the front door is reached from the internet, for the vendors' callbacks. Unset: they are only asked."""
