"""Job state in Postgres: tables, migrations, and the few verbs that change them."""

from videojobs.ledger.connection import engine_for
from videojobs.ledger.ledger import Intent, Lease, Ledger, UnknownJob
from videojobs.ledger.tables import JobEvent, Submission, SubmissionState, VideoJob

__all__ = [
    "Intent",
    "JobEvent",
    "Lease",
    "Ledger",
    "Submission",
    "SubmissionState",
    "UnknownJob",
    "VideoJob",
    "engine_for",
]
