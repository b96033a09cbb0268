"""Both emulators: stopped, killed, and started again on the same folder."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulators import ghostcut_desk, sync_so_desk
from tests.emulators.ghostcut_desk import GhostCutDesk
from tests.emulators.listener import Listener
from tests.emulators.program import Program
from tests.emulators.sync_so_desk import SyncSoDesk


@pytest.fixture
def sync_program(tmp_path: Path) -> Iterator[Program]:
    program = Program("sync_so", tmp_path / "new" / "sync-so", {"SYNC_SO_API_KEY": sync_so_desk.API_KEY})
    yield program
    program.gone()


@pytest.fixture
def ghostcut_program(tmp_path: Path) -> Iterator[Program]:
    secrets = {"GHOSTCUT_APP_KEY": ghostcut_desk.APP_KEY, "GHOSTCUT_APP_SECRET": ghostcut_desk.APP_SECRET}
    program = Program("ghostcut", tmp_path / "new" / "ghostcut", secrets)
    yield program
    program.gone()


def test_a_killed_sync_so_goes_on_where_it_was(sync_program: Program, files: str, tmp_path: Path) -> None:
    sync_program.start("--processing-seconds", "0")
    desk = SyncSoDesk(sync_program, files, tmp_path)
    done = desk.ended(desk.accepted(desk.body(), key="done"))
    sync_program.change(processing_seconds=3600, segment_length="kept")
    running = desk.accepted(desk.film_body(), key="running")
    sync_program.end(signal.SIGKILL)

    sync_program.start()
    assert sync_program.control("GET", "settings").json()["segment_length"] == "kept"
    assert desk.accepted(desk.film_body(), key="running") == running
    assert sync_program.http.get(done["outputUrl"], follow_redirects=True).status_code == 200
    sync_program.change(processing_seconds=0)
    assert (desk.ended(running)["status"], desk.ended(running)["outputDuration"]) == ("COMPLETED", 3.0)
    assert sync_program.end() == 0


def test_a_killed_ghostcut_goes_on_where_it_was(
    ghostcut_program: Program, files: str, listener: Listener, tmp_path: Path
) -> None:
    ghostcut_program.start("--processing-seconds", "0")
    desk = GhostCutDesk(ghostcut_program, files, listener, tmp_path)
    told, running = desk.body(), desk.body()
    ghostcut_program.change(callback_retry_seconds=100)
    listener.answers.append((500, b"not yet"))
    desk.accepted(told)
    desk.delivery(told)
    ghostcut_program.change(processing_seconds=3600)
    identity = desk.accepted(running)
    ghostcut_program.end(signal.SIGKILL)

    ghostcut_program.start("--processing-seconds", "0")
    assert desk.delivery(told).body["processStatus"] == 1
    assert desk.delivery(running).body["id"] == identity
    assert ghostcut_program.control("GET", "settings").json()["points"] == 998
    assert ghostcut_program.end() == 0


def test_a_stop_in_the_middle_of_work_is_quick_and_clean(sync_program: Program, files: str, tmp_path: Path) -> None:
    sync_program.start("--processing-seconds", "0.01")
    desk = SyncSoDesk(sync_program, files, tmp_path)
    for _ in range(6):
        desk.accepted(desk.film_body())
    sync_program.change(processing_seconds=3600)
    waiting_for = desk.accepted(desk.body())
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(desk.get, waiting_for, wait="true", timeout=10)
        while not desk.entry(waiting_for)["polls"]:
            pass
        begin = time.monotonic()
        assert sync_program.end() == 0
        assert time.monotonic() - begin < 5
        assert poll.result().json()["status"] == "PENDING"


def test_a_taken_port_is_told(sync_so: SyncSoDesk, tmp_path: Path) -> None:
    second = Program("sync_so", tmp_path / "other", {})
    second.port, second.url = sync_so.program.port, "http://127.0.0.1:1"
    with pytest.raises(AssertionError, match="ended by itself"):
        second.start()
