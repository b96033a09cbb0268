"""The Sync.so emulator's database: generations and the tokens of their result URLs."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from deployments.local.emulators.sqlite_store import Row, SqliteStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL DEFAULT 'PENDING',   -- PROCESSING, then COMPLETED, FAILED or REJECTED
    created_at REAL NOT NULL,                 -- Unix seconds
    ended_at REAL,
    request TEXT NOT NULL,                    -- JSON as it came
    digest TEXT NOT NULL,                     -- of the canonical request
    idempotency_key TEXT UNIQUE,
    ending TEXT,                              -- an armed fault settled how it will end: JSON
    error TEXT,
    error_code TEXT,
    output_duration REAL,
    cost REAL NOT NULL DEFAULT 0,             -- US dollars
    polls INTEGER NOT NULL DEFAULT 0,
    replays INTEGER NOT NULL DEFAULT 0,       -- submissions answered by the idempotency key
    deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY, generation TEXT NOT NULL, issued_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS generations_by_status ON generations (status);
CREATE INDEX IF NOT EXISTS tokens_by_generation ON tokens (generation);
"""
RUNNING = ("PENDING", "PROCESSING")


class SyncSoStore(SqliteStore):
    """Every change is one committed statement."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SCHEMA)

    def create_generation(self, request: object, digest: str, key: str | None, forced_status: object) -> Row:
        """Store an accepted request as a new generation."""
        identity = str(uuid4())
        self.execute(
            "INSERT INTO generations (id, created_at, request, digest, idempotency_key, ending)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(identity, time.time(), json.dumps(request), digest, key),
            json.dumps(forced_status) if forced_status is not None else None,
        )
        return self.get_generation(identity)

    def find_generation(self, generation_id: str) -> Row | None:
        return self.fetch_one("SELECT * FROM generations WHERE id = ? AND NOT deleted", generation_id)

    def get_generation(self, generation_id: str) -> Row:
        """A generation that must exist."""
        return self.fetch_all("SELECT * FROM generations WHERE id = ?", generation_id)[0]

    def find_by_key(self, key: str) -> Row | None:
        return self.fetch_one("SELECT * FROM generations WHERE idempotency_key = ?", key)

    def list_generations(self) -> list[Row]:
        """All generations that were not deleted, newest first."""
        return self.fetch_all("SELECT * FROM generations WHERE NOT deleted ORDER BY number DESC")

    def list_running(self) -> list[Row]:
        return self.fetch_all("SELECT * FROM generations WHERE status IN (?, ?) ORDER BY number", *RUNNING)

    def mark_processing(self, generation_id: str) -> None:
        self.execute("UPDATE generations SET status = 'PROCESSING' WHERE id = ?", generation_id)

    def mark_completed(self, generation_id: str, duration: float, cost: float) -> None:
        self.execute(
            "UPDATE generations SET status = 'COMPLETED', ended_at = ?, output_duration = ?, cost = ? WHERE id = ?",
            *(time.time(), duration, cost, generation_id),
        )

    def mark_failed(self, generation_id: str, status: str, code: str | None, message: str) -> None:
        self.execute(
            "UPDATE generations SET status = ?, ended_at = ?, error_code = ?, error = ? WHERE id = ?",
            *(status, time.time(), code, message, generation_id),
        )

    def count_poll(self, generation_id: str) -> None:
        self.execute("UPDATE generations SET polls = polls + 1 WHERE id = ?", generation_id)

    def count_replay(self, generation_id: str) -> None:
        self.execute("UPDATE generations SET replays = replays + 1 WHERE id = ?", generation_id)

    def mark_deleted(self, generation_id: str) -> None:
        self.execute("UPDATE generations SET deleted = 1 WHERE id = ?", generation_id)

    def issue_token(self, generation_id: str) -> str:
        """A new token for the result URL."""
        token = str(uuid4())
        self.execute("INSERT INTO tokens VALUES (?, ?, ?)", token, generation_id, time.time())
        return token

    def find_newest_token(self, generation_id: str) -> Row | None:
        return self.fetch_one("SELECT * FROM tokens WHERE generation = ? ORDER BY rowid DESC LIMIT 1", generation_id)

    def find_token(self, token: str, generation_id: str) -> Row | None:
        return self.fetch_one("SELECT * FROM tokens WHERE token = ? AND generation = ?", token, generation_id)

    def dump(self) -> dict[str, Any]:
        submissions = self.fetch_all("SELECT * FROM generations ORDER BY number")
        for row in submissions:
            row["request"] = json.loads(row["request"])
        return {"submissions": submissions, **super().dump()}
