"""What both emulators offer to benchmarks: processing without computation, and counters."""

from pathlib import Path

import httpx
import pytest

from tests.support.ghostcut_emulator import GhostCutEmulatorClient
from tests.support.sync_so_emulator import SyncSoEmulatorClient


@pytest.fixture
def source(media: Path) -> bytes:
    return (media / "film.mp4").read_bytes()


def test_sync_so_pass_through_returns_the_source_unchanged(sync_so: SyncSoEmulatorClient, source: bytes) -> None:
    with sync_so.program.temporary_settings(pass_through=True):
        generation = sync_so.wait_until_done(sync_so.submit_and_get_id(sync_so.make_film_body()))
    assert generation["outputDuration"] == pytest.approx(3.0, abs=0.1)
    assert httpx.get(generation["outputUrl"], follow_redirects=True).content == source


def test_ghostcut_pass_through_returns_the_source_unchanged(ghostcut: GhostCutEmulatorClient, source: bytes) -> None:
    with ghostcut.program.temporary_settings(pass_through=True):
        work = ghostcut.run_to_end(ghostcut.make_film_body())
    assert httpx.get(work["videoUrl"]).content == source


def test_a_batched_status_request_counts_once(ghostcut: GhostCutEmulatorClient) -> None:
    works = [ghostcut.submit_and_get_id(ghostcut.make_body()) for _ in range(2)]
    before = ghostcut.program.control("GET", "calls").json()
    ghostcut.status(*works)
    after = ghostcut.program.control("GET", "calls").json()
    assert after["status"] - before.get("status", 0) == 1
    assert after["submit"] == before["submit"]


def test_a_sync_so_long_poll_counts_as_one_request(sync_so: SyncSoEmulatorClient) -> None:
    generation = sync_so.submit_and_get_id(sync_so.make_body())
    before = sync_so.program.control("GET", "calls").json().get("status", 0)
    sync_so.wait_until_done(generation)
    assert sync_so.program.control("GET", "calls").json()["status"] == before + 1
