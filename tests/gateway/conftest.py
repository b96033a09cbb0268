"""A real Postgres behind the door, as the ledger's own tests have it."""

from tests.ledger.conftest import database_url, job_id, ledger, opened

__all__ = ["database_url", "job_id", "ledger", "opened"]
