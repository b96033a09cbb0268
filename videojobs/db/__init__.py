"""Job state in Postgres: models, migrations, and the repository."""

from videojobs.db.engine import get_engine
from videojobs.db.jobs import ClientKey
from videojobs.db.models import IN_DOUBT_STATES, JobEvent, JobEventKind, Submission, SubmissionState, VideoJob
from videojobs.db.repository import JobRepository
from videojobs.db.repository_base import Lease
from videojobs.db.submissions import Intent

__all__ = [
    "IN_DOUBT_STATES",
    "ClientKey",
    "Intent",
    "JobEvent",
    "JobEventKind",
    "JobRepository",
    "Lease",
    "Submission",
    "SubmissionState",
    "VideoJob",
    "get_engine",
]
