"""Job state in Postgres: tables, migrations, and the few verbs that change them."""

from videojobs.ledger.books import Lease, UnknownJob
from videojobs.ledger.connection import engine_for
from videojobs.ledger.ledger import Ledger
from videojobs.ledger.lifecycle import ClientKey
from videojobs.ledger.paid import IN_DOUBT, Intent
from videojobs.ledger.tables import JobEvent, Submission, SubmissionState, VideoJob

__all__ = [
    "IN_DOUBT",
    "ClientKey",
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
