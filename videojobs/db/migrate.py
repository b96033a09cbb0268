"""Migrates the job database to the newest schema. Safe to repeat, and to run concurrently.

As a command: `python -m videojobs.db.migrate`, with `DATABASE_URL` set.
"""

import os
import sys

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from videojobs.db.engine import driver_url

# Two deployments may migrate at once: the second one waits, then finds nothing to do. Any constant will do.
_LOCK_ID = 7_302_114


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "videojobs.db:migrations")
    return config


def upgrade(url: str) -> None:
    """Apply pending migrations in one transaction."""
    engine = create_engine(driver_url(url), hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK_ID})
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def is_behind(connection: Connection) -> bool:
    """Whether migrations are pending."""
    newest = ScriptDirectory.from_config(_alembic_config()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() != newest


if __name__ == "__main__":
    database_url = os.environ.get("DATABASE_URL")
    if not database_url:
        sys.exit("DATABASE_URL is not set: set it to postgresql://user:password@host:port/name")
    upgrade(database_url)
