"""The GhostCut emulator's database: works and their charges."""

import json
import time
from pathlib import Path
from secrets import token_hex
from typing import Any

from deployments.local.emulators.ghostcut.statuses import NO_POINTS_TO_UNLOCK, PROCESSING, QUEUED, STATUS_ORDER
from deployments.local.emulators.sqlite_store import Row, SqliteStore

# Magnitudes observed live in September 2026 (fact sheet 2): clients must not assume 32 bits,
# or confuse the two.
FIRST_PROJECT_ID, FIRST_WORK_ID = 249_807_732, 541_461_135

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


class GhostCutStore(SqliteStore):
    """Every change is one committed statement, or one transaction."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, SCHEMA)

    def create_works(self, request: Row, forced_statuses: list[Row | None]) -> list[Row]:
        """Store an accepted request: one project, one work for each URL."""
        works: list[Row] = []
        with self.transaction():
            for url, ending in zip(request["urls"], forced_statuses, strict=True):
                number = self._insert_work(url, request, ending)
                project = works[0]["id_project"] if works else FIRST_PROJECT_ID + number * 7
                identity = FIRST_WORK_ID + number * 13
                self.execute("UPDATE works SET id = ?, id_project = ? WHERE number = ?", identity, project, number)
                works.append(self.get_work(identity))
        return works

    def _insert_work(self, url: str, request: Row, forced_status: Row | None) -> int:
        self.execute(
            "INSERT INTO works (url, request, created_at, status, ending, file_key, callback)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(url, json.dumps(request), time.time(), QUEUED),
            json.dumps(forced_status) if forced_status is not None else None,
            *(token_hex(8), "owed" if request.get("callback") else "none"),
        )
        return int(self.fetch_all("SELECT last_insert_rowid() AS number")[0]["number"])

    def get_work(self, work_id: int) -> Row:
        """A work that must exist."""
        return self.fetch_all("SELECT * FROM works WHERE id = ?", work_id)[0]

    def find_works(self, works: set[int], projects: set[int]) -> list[Row]:
        """The works with these ids or of these projects, without unknown ids."""
        return self.fetch_all(
            "SELECT * FROM works WHERE id IN (SELECT value FROM json_each(?))"
            " OR id_project IN (SELECT value FROM json_each(?)) ORDER BY number",
            *(json.dumps(list(works)), json.dumps(list(projects))),
        )

    def list_created_between(self, since: float, until: float) -> list[Row]:
        """The works of this period (Unix seconds), newest first."""
        query = "SELECT * FROM works WHERE created_at >= ? AND created_at < ? ORDER BY created_at DESC, number DESC"
        return self.fetch_all(query, since, until)

    def list_running(self) -> list[Row]:
        return self.fetch_all("SELECT * FROM works WHERE status <= ? ORDER BY number", PROCESSING)

    def find_first_locked(self) -> Row | None:
        query = "SELECT * FROM works WHERE status = ? ORDER BY number LIMIT 1"
        return self.fetch_one(query, NO_POINTS_TO_UNLOCK)

    def list_pending_callbacks(self) -> list[Row]:
        return self.fetch_all("SELECT * FROM works WHERE status > ? AND callback = 'owed'", PROCESSING)

    def advance_status(self, work_id: int, status: int) -> None:
        """Advance the status; that of a resumed work never goes back."""
        if STATUS_ORDER.index(status) > STATUS_ORDER.index(self.get_work(work_id)["status"]):
            self.execute("UPDATE works SET status = ? WHERE id = ?", status, work_id)

    def set_duration(self, work_id: int, duration: float) -> None:
        self.execute("UPDATE works SET duration = ? WHERE id = ?", duration, work_id)

    def finish_work(self, work_id: int, status: int, detail: str, paid: float) -> None:
        self.execute(
            "UPDATE works SET status = ?, detail = ?, paid = ?, ended_at = ? WHERE id = ?",
            *(status, detail, paid, time.time(), work_id),
        )

    def count_poll(self, work_id: int) -> None:
        self.execute("UPDATE works SET polls = polls + 1 WHERE id = ?", work_id)

    def set_callback_state(self, work_id: int, state: str) -> None:
        self.execute("UPDATE works SET callback = ? WHERE id = ?", state, work_id)

    def rotate_file_key(self, work_id: int) -> None:
        """Move the result to a new URL."""
        self.execute("UPDATE works SET file_key = ? WHERE id = ?", token_hex(8), work_id)

    def find_by_file_key(self, key: str) -> Row | None:
        return self.fetch_one("SELECT * FROM works WHERE file_key = ?", key)

    def dump(self) -> dict[str, Any]:
        submissions = self.fetch_all("SELECT * FROM works ORDER BY number")
        for row in submissions:
            row["request"] = json.loads(row["request"])
        return {"submissions": submissions, **super().dump()}
