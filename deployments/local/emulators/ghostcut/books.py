"""The GhostCut emulator's books: works, and what was paid for them."""

import json
import time
from pathlib import Path
from secrets import token_hex
from typing import Any

from deployments.local.emulators.ghostcut.statuses import NO_POINTS_TO_UNLOCK, PROCESSING, QUEUED, WALK
from deployments.local.emulators.records import Records, Row

# The magnitudes that were seen live in September 2026 (fact sheet 2): clients must not assume 32 bits
# or mix the two up.
FIRST_PROJECT, FIRST_WORK = 249_807_732, 541_461_135

SCHEMA = """
CREATE TABLE IF NOT EXISTS works (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id INTEGER UNIQUE,
    id_project INTEGER,
    url TEXT NOT NULL,
    request TEXT NOT NULL,                       -- JSON as it came
    created_at REAL NOT NULL,                    -- Unix seconds
    ended_at REAL,
    status INTEGER NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    duration REAL,                               -- seconds of the source
    paid REAL NOT NULL DEFAULT 0,                -- points
    polls INTEGER NOT NULL DEFAULT 0,
    ending TEXT,                                 -- an armed fault settled how it will end: JSON
    file_key TEXT NOT NULL UNIQUE,               -- part of `videoUrl`
    callback TEXT NOT NULL DEFAULT 'none'        -- owed, then delivered, lost or given_up
);
CREATE INDEX IF NOT EXISTS works_by_project ON works (id_project);
CREATE INDEX IF NOT EXISTS works_by_status ON works (status);
"""


class Books(Records):
    """Every change is one committed statement, or one transaction."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "books.sqlite", SCHEMA)

    def open(self, request: Row, endings: list[Row | None]) -> list[Row]:
        """Enter an accepted request: one project, one work for each URL."""
        works: list[Row] = []
        with self.transaction():
            for url, ending in zip(request["urls"], endings, strict=True):
                number = self._enter(url, request, ending)
                project = works[0]["id_project"] if works else FIRST_PROJECT + number * 7
                identity = FIRST_WORK + number * 13
                self.run("UPDATE works SET id = ?, id_project = ? WHERE number = ?", identity, project, number)
                works.append(self.work(identity))
        return works

    def _enter(self, url: str, request: Row, ending: Row | None) -> int:
        self.run(
            "INSERT INTO works (url, request, created_at, status, ending, file_key, callback)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(url, json.dumps(request), time.time(), QUEUED),
            json.dumps(ending) if ending is not None else None,
            *(token_hex(8), "owed" if request.get("callback") else "none"),
        )
        return int(self.rows("SELECT last_insert_rowid() AS number")[0]["number"])

    def work(self, identity: int) -> Row:
        """A work that is known to exist."""
        return self.rows("SELECT * FROM works WHERE id = ?", identity)[0]

    def asked(self, works: set[int], projects: set[int]) -> list[Row]:
        """The works with these ids or of these projects; unknown ids are simply not there."""
        return self.rows(
            "SELECT * FROM works WHERE id IN (SELECT value FROM json_each(?))"
            " OR id_project IN (SELECT value FROM json_each(?)) ORDER BY number",
            *(json.dumps(list(works)), json.dumps(list(projects))),
        )

    def created(self, since: float, until: float) -> list[Row]:
        """The works of this time (Unix seconds), the newest first."""
        query = "SELECT * FROM works WHERE created_at >= ? AND created_at < ? ORDER BY created_at DESC, number DESC"
        return self.rows(query, since, until)

    def running(self) -> list[Row]:
        return self.rows("SELECT * FROM works WHERE status <= ? ORDER BY number", PROCESSING)

    def first_locked(self) -> Row | None:
        query = "SELECT * FROM works WHERE status = ? ORDER BY number LIMIT 1"
        return self.row(query, NO_POINTS_TO_UNLOCK)

    def owing_callbacks(self) -> list[Row]:
        return self.rows("SELECT * FROM works WHERE status > ? AND callback = 'owed'", PROCESSING)

    def walked(self, identity: int, status: int) -> None:
        """A step forward; a work that was taken up again does not fall back."""
        if WALK.index(status) > WALK.index(self.work(identity)["status"]):
            self.run("UPDATE works SET status = ? WHERE id = ?", status, identity)

    def measured(self, identity: int, duration: float) -> None:
        self.run("UPDATE works SET duration = ? WHERE id = ?", duration, identity)

    def ended(self, identity: int, status: int, detail: str, paid: float) -> None:
        self.run(
            "UPDATE works SET status = ?, detail = ?, paid = ?, ended_at = ? WHERE id = ?",
            *(status, detail, paid, time.time(), identity),
        )

    def polled(self, identity: int) -> None:
        self.run("UPDATE works SET polls = polls + 1 WHERE id = ?", identity)

    def callback_is(self, identity: int, state: str) -> None:
        self.run("UPDATE works SET callback = ? WHERE id = ?", state, identity)

    def new_file_key(self, identity: int) -> None:
        """The result moves to another address."""
        self.run("UPDATE works SET file_key = ? WHERE id = ?", token_hex(8), identity)

    def by_file_key(self, key: str) -> Row | None:
        return self.row("SELECT * FROM works WHERE file_key = ?", key)

    def pages(self) -> dict[str, Any]:
        submissions = self.rows("SELECT * FROM works ORDER BY number")
        for row in submissions:
            row["request"] = json.loads(row["request"])
        return {"submissions": submissions, **super().pages()}
