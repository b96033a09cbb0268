"""What both emulators offer to those who measure: work that costs nothing, and counters."""

from pathlib import Path

import httpx
import pytest

from tests.emulators.ghostcut_desk import GhostCutDesk
from tests.emulators.sync_so_desk import SyncSoDesk


@pytest.fixture
def source(media: Path) -> bytes:
    return (media / "film.mp4").read_bytes()


def test_passing_through_sync_so_gives_the_source_as_it_came(sync_so: SyncSoDesk, source: bytes) -> None:
    with sync_so.program.settings(pass_through=True):
        generation = sync_so.ended(sync_so.accepted(sync_so.film_body()))
    assert generation["outputDuration"] == pytest.approx(3.0, abs=0.1)
    assert httpx.get(generation["outputUrl"], follow_redirects=True).content == source


def test_passing_through_ghostcut_gives_the_source_as_it_came(ghostcut: GhostCutDesk, source: bytes) -> None:
    with ghostcut.program.settings(pass_through=True):
        work = ghostcut.ended(ghostcut.film_body())
    assert httpx.get(work["videoUrl"]).content == source


def test_every_status_request_is_counted_once_however_many_works_it_is_about(ghostcut: GhostCutDesk) -> None:
    works = [ghostcut.accepted(ghostcut.body()) for _ in range(2)]
    before = ghostcut.program.control("GET", "calls").json()
    ghostcut.status(*works)
    after = ghostcut.program.control("GET", "calls").json()
    assert after["status"] - before.get("status", 0) == 1
    assert after["submit"] == before["submit"]


def test_long_polls_of_sync_so_are_counted(sync_so: SyncSoDesk) -> None:
    generation = sync_so.accepted(sync_so.body())
    before = sync_so.program.control("GET", "calls").json().get("status", 0)
    sync_so.ended(generation)
    assert sync_so.program.control("GET", "calls").json()["status"] == before + 1
