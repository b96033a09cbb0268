"""How migrations change rows of older versions, and the downgrade."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from videojobs.db import JobRepository, get_engine
from videojobs.db.engine import close_engines, driver_url
from videojobs.db.migrate import _alembic_config
from videojobs.states import RecoveryPoint

OLD_KINDS = ["opened", "claimed", "heard_of", "cleaned_up", "accepted_too_late"]
NEW_KINDS = ["opened", "lease_acquired", "callback_received", "cleanup_action", "accepted_after_write_off"]


@pytest.fixture
def own_database(database_url: str) -> Iterator[str]:
    """An empty database on the shared server."""
    name = f"migration_{uuid.uuid4().hex}"
    server = create_engine(driver_url(database_url), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(database_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def engine(own_database: str) -> Iterator[Engine]:
    created = create_engine(driver_url(own_database))
    yield created
    created.dispose()


def migrate_to(engine: Engine, revision: str, *, down: bool = False) -> None:
    with engine.begin() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)


_INSERT_JOB = """
INSERT INTO video_jobs (id, user_id, status, progress_percentage, progress_message, recovery_point, processing_config,
  segments_data, job_metadata, request, request_fingerprint, facts, claims, connections)
VALUES ('old', 'ada', 'processing', 80, '', 'understood', '{"effects": []}', '{}', '{}', '{}', '', '{"slides": 2}', 1,
  '{}')"""
_INSERT_EVENT = """
INSERT INTO video_job_events (job_id, actor, kind, point, progress, message)
VALUES ('old', 'run-1/1', :kind, 'understood', 80, '')"""
_INSERT_SUBMISSION = """
INSERT INTO video_submissions (id, job_id, stage, attempt, state, request_body, callback_token, candidate_id)
VALUES (gen_random_uuid(), 'old', 'lip_sync', 1, 'unknown', '', 'token', 'g-1')"""


@pytest.fixture
def upgraded(engine: Engine) -> Engine:
    """Rows of 0005, migrated to the newest schema."""
    migrate_to(engine, "0005")
    with engine.begin() as connection:
        connection.execute(text(_INSERT_JOB))
        connection.execute(text(_INSERT_EVENT), [{"kind": kind} for kind in OLD_KINDS])
        connection.execute(text(_INSERT_SUBMISSION))
    migrate_to(engine, "head")
    return engine


def read(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.scalars(text(query)))


async def test_rows_of_older_versions_get_the_new_names(upgraded: Engine, own_database: str) -> None:
    repository = JobRepository(get_engine(own_database))
    job, events = await repository.get_job("old"), await repository.list_events("old")
    assert (job.recovery_point, job.facts.slides) == (RecoveryPoint.ANALYZED, 2)
    assert [event.kind for event in events] == NEW_KINDS
    assert {event.point for event in events} == {RecoveryPoint.ANALYZED}
    assert (await repository.list_submissions("old"))[0].reported_vendor_id == "g-1"
    await close_engines()


def test_events_stay_append_only_after_the_renaming(upgraded: Engine) -> None:
    with pytest.raises(DBAPIError, match="append-only"), upgraded.begin() as connection:
        connection.execute(text("UPDATE video_job_events SET kind = 'opened'"))


def test_the_old_names_are_back_after_a_downgrade(upgraded: Engine) -> None:
    migrate_to(upgraded, "0005", down=True)
    assert read(upgraded, "SELECT kind FROM video_job_events ORDER BY id") == OLD_KINDS
    assert set(read(upgraded, "SELECT point FROM video_job_events")) == {"understood"}
    assert read(upgraded, "SELECT recovery_point FROM video_jobs") == ["understood"]
    assert read(upgraded, "SELECT candidate_id FROM video_submissions") == ["g-1"]
    with pytest.raises(DBAPIError, match="ck_video_jobs_recovery_point"), upgraded.begin() as connection:
        connection.execute(text("UPDATE video_jobs SET recovery_point = 'analyzed'"))


def test_old_jobs_get_a_link_key_of_their_own(engine: Engine) -> None:
    migrate_to(engine, "0008")
    insert = _INSERT_JOB.replace("understood", "analyzed")
    with engine.begin() as connection:
        for job_id in ("one", "two"):
            connection.execute(text(insert.replace("'old'", f"'{job_id}'")))
    migrate_to(engine, "0010")
    keys = read(engine, "SELECT link_key FROM video_jobs")
    assert (len(set(keys)), None in keys) == (2, False)


def test_all_migrations_can_be_undone(engine: Engine) -> None:
    migrate_to(engine, "head")
    migrate_to(engine, "base", down=True)
    assert read(engine, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == ["alembic_version"]
