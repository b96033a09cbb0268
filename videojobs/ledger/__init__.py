"""Job state in Postgres: tables, migrations, and the few verbs that change them."""

from videojobs.ledger.books import Lease, UnknownJob
from videojobs.ledger.connection import get_engine
from videojobs.ledger.ledger import JobRepository
from videojobs.ledger.lifecycle import ClientKey
from videojobs.ledger.paid import IN_DOUBT_STATES, Intent
from videojobs.ledger.tables import JobEvent, Submission, SubmissionState, VideoJob

__all__ = [
    "IN_DOUBT_STATES",
    "ClientKey",
    "Intent",
    "JobEvent",
    "JobRepository",
    "Lease",
    "Submission",
    "SubmissionState",
    "UnknownJob",
    "VideoJob",
    "get_engine",
]
