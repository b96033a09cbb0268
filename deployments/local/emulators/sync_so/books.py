"""The Sync.so emulator's books: generations and the tokens of their result links."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from deployments.local.emulators.records import Records, Row

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


class Books(Records):
    """Every change is one committed statement."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "books.sqlite", SCHEMA)

    def open(self, request: object, digest: str, key: str | None, ending: object) -> Row:
        """Enter an accepted request as a new generation."""
        identity = str(uuid4())
        self.run(
            "INSERT INTO generations (id, created_at, request, digest, idempotency_key, ending)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *(identity, time.time(), json.dumps(request), digest, key),
            json.dumps(ending) if ending is not None else None,
        )
        return self.generation(identity)

    def find(self, identity: str) -> Row | None:
        return self.row("SELECT * FROM generations WHERE id = ? AND NOT deleted", identity)

    def generation(self, identity: str) -> Row:
        """A generation that is known to exist."""
        return self.rows("SELECT * FROM generations WHERE id = ?", identity)[0]

    def by_key(self, key: str) -> Row | None:
        return self.row("SELECT * FROM generations WHERE idempotency_key = ?", key)

    def kept(self) -> list[Row]:
        """All generations that were not deleted, newest first."""
        return self.rows("SELECT * FROM generations WHERE NOT deleted ORDER BY number DESC")

    def running(self) -> list[Row]:
        return self.rows("SELECT * FROM generations WHERE status IN (?, ?) ORDER BY number", *RUNNING)

    def started(self, identity: str) -> None:
        self.run("UPDATE generations SET status = 'PROCESSING' WHERE id = ?", identity)

    def completed(self, identity: str, duration: float, cost: float) -> None:
        self.run(
            "UPDATE generations SET status = 'COMPLETED', ended_at = ?, output_duration = ?, cost = ? WHERE id = ?",
            *(time.time(), duration, cost, identity),
        )

    def failed(self, identity: str, status: str, code: str | None, message: str) -> None:
        self.run(
            "UPDATE generations SET status = ?, ended_at = ?, error_code = ?, error = ? WHERE id = ?",
            *(status, time.time(), code, message, identity),
        )

    def polled(self, identity: str) -> None:
        self.run("UPDATE generations SET polls = polls + 1 WHERE id = ?", identity)

    def replayed(self, identity: str) -> None:
        self.run("UPDATE generations SET replays = replays + 1 WHERE id = ?", identity)

    def delete(self, identity: str) -> None:
        self.run("UPDATE generations SET deleted = 1 WHERE id = ?", identity)

    def issue_token(self, identity: str) -> str:
        """A fresh token for the result link."""
        token = str(uuid4())
        self.run("INSERT INTO tokens VALUES (?, ?, ?)", token, identity, time.time())
        return token

    def newest_token(self, identity: str) -> Row | None:
        return self.row("SELECT * FROM tokens WHERE generation = ? ORDER BY rowid DESC LIMIT 1", identity)

    def token(self, token: str, identity: str) -> Row | None:
        return self.row("SELECT * FROM tokens WHERE token = ? AND generation = ?", token, identity)

    def pages(self) -> dict[str, Any]:
        submissions = self.rows("SELECT * FROM generations ORDER BY number")
        for row in submissions:
            row["request"] = json.loads(row["request"])
        return {"submissions": submissions, **super().pages()}
