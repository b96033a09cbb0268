"""An emulator's database: one SQLite file, which survives a kill -9 of the process."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_COMMON_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refusals (
    at REAL NOT NULL, status INTEGER NOT NULL, code TEXT, message TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS notifications (
    at REAL NOT NULL, subject TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL, outcome TEXT NOT NULL
);
"""


class SqliteStore:
    """The tables of both vendors; a vendor's own store adds its own. Used from one thread only."""

    def __init__(self, folder: Path, schema: str) -> None:
        self._database = sqlite3.connect(folder / "emulator.sqlite", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        # Committed rows survive a kill -9, not a power cut: enough for an emulator, and no fsync for each poll.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_COMMON_SCHEMA + schema)

    def fetch_all(self, query: str, *values: object) -> list[Row]:
        return [dict(row) for row in self._database.execute(query, values)]

    def fetch_one(self, query: str, *values: object) -> Row | None:
        found = self._database.execute(query, values).fetchone()
        return dict(found) if found is not None else None

    def execute(self, statement: str, *values: object) -> None:
        self._database.execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all of the block's changes, or none."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def load_settings(self) -> Row:
        """The settings that were changed at run time."""
        return {row["name"]: json.loads(row["value"]) for row in self.fetch_all("SELECT * FROM settings")}

    def save_setting(self, name: str, value: object) -> None:
        self.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, json.dumps(value))

    def record_refusal(self, status: int, code: str | None, message: str, body: bytes) -> None:
        """Store a rejected submission."""
        text = body[:10_000].decode(errors="replace")
        self.execute("INSERT INTO refusals VALUES (?, ?, ?, ?, ?)", time.time(), status, code, message, text)

    def record_notification(self, subject: str, url: str, body: str, outcome: str) -> None:
        """Store one attempt to deliver a callback, and its outcome."""
        self.execute("INSERT INTO notifications VALUES (?, ?, ?, ?, ?)", time.time(), subject, url, body, outcome)

    def dump(self) -> Row:
        """The response of `GET /_emulator/records` for both vendors; a vendor adds its submissions."""
        refusals = self.fetch_all("SELECT * FROM refusals ORDER BY at")
        notifications = self.fetch_all("SELECT * FROM notifications ORDER BY at")
        return {"refused": len(refusals), "refusals": refusals, "notifications": notifications}

    def close(self) -> None:
        self._database.close()
