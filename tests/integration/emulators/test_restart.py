"""Both emulators: stopped, killed, and restarted on the same folder."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import ghostcut_emulator, sync_so_emulator
from tests.support.callback_receiver import CallbackReceiver
from tests.support.emulator_process import EmulatorProcess
from tests.support.ghostcut_emulator import GhostCutEmulatorClient
from tests.support.sync_so_emulator import SyncSoEmulatorClient


@pytest.fixture
def sync_so_process(tmp_path: Path) -> Iterator[EmulatorProcess]:
    program = EmulatorProcess("sync_so", tmp_path / "new" / "sync-so", {"SYNC_SO_API_KEY": sync_so_emulator.API_KEY})
    yield program
    program.ensure_stopped()


@pytest.fixture
def ghostcut_process(tmp_path: Path) -> Iterator[EmulatorProcess]:
    secrets = {"GHOSTCUT_APP_KEY": ghostcut_emulator.APP_KEY, "GHOSTCUT_APP_SECRET": ghostcut_emulator.APP_SECRET}
    program = EmulatorProcess("ghostcut", tmp_path / "new" / "ghostcut", secrets)
    yield program
    program.ensure_stopped()


def test_a_killed_sync_so_emulator_resumes_its_work(
    sync_so_process: EmulatorProcess, files: str, tmp_path: Path
) -> None:
    sync_so_process.start("--processing-seconds", "0")
    desk = SyncSoEmulatorClient(sync_so_process, files, tmp_path)
    done = desk.wait_until_done(desk.submit_and_get_id(desk.make_body(), key="done"))
    sync_so_process.update_settings(processing_seconds=3600, segment_length="kept")
    running = desk.submit_and_get_id(desk.make_film_body(), key="running")
    sync_so_process.stop(signal.SIGKILL)

    sync_so_process.start()
    assert sync_so_process.control("GET", "settings").json()["segment_length"] == "kept"
    assert desk.submit_and_get_id(desk.make_film_body(), key="running") == running
    assert sync_so_process.http.get(done["outputUrl"], follow_redirects=True).status_code == 200
    sync_so_process.update_settings(processing_seconds=0)
    assert (desk.wait_until_done(running)["status"], desk.wait_until_done(running)["outputDuration"]) == (
        "COMPLETED",
        3.0,
    )
    assert sync_so_process.stop() == 0


def test_a_killed_ghostcut_emulator_resumes_its_work(
    ghostcut_process: EmulatorProcess, files: str, listener: CallbackReceiver, tmp_path: Path
) -> None:
    ghostcut_process.start("--processing-seconds", "0")
    desk = GhostCutEmulatorClient(ghostcut_process, files, listener, tmp_path)
    told, running = desk.make_body(), desk.make_body()
    ghostcut_process.update_settings(callback_retry_seconds=100)
    listener.replies.append((500, b"not yet"))
    desk.submit_and_get_id(told)
    desk.next_callback(told)
    ghostcut_process.update_settings(processing_seconds=3600)
    identity = desk.submit_and_get_id(running)
    ghostcut_process.stop(signal.SIGKILL)

    ghostcut_process.start("--processing-seconds", "0")
    assert desk.next_callback(told).body["processStatus"] == 1
    assert desk.next_callback(running).body["id"] == identity
    assert ghostcut_process.control("GET", "settings").json()["points"] == 998
    assert ghostcut_process.stop() == 0


def test_sigterm_during_work_exits_cleanly_within_5_seconds(
    sync_so_process: EmulatorProcess, files: str, tmp_path: Path
) -> None:
    sync_so_process.start("--processing-seconds", "0.01")
    desk = SyncSoEmulatorClient(sync_so_process, files, tmp_path)
    for _ in range(6):
        desk.submit_and_get_id(desk.make_film_body())
    sync_so_process.update_settings(processing_seconds=3600)
    waiting_for = desk.submit_and_get_id(desk.make_body())
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(desk.get_generation, waiting_for, wait="true", timeout=10)
        while not desk.submission_record(waiting_for)["polls"]:
            pass
        begin = time.monotonic()
        assert sync_so_process.stop() == 0
        assert time.monotonic() - begin < 5
        assert poll.result().json()["status"] == "PENDING"


def test_a_port_in_use_stops_the_emulator(sync_so: SyncSoEmulatorClient, tmp_path: Path) -> None:
    second = EmulatorProcess("sync_so", tmp_path / "other", {})
    second.port, second.url = sync_so.program.port, "http://127.0.0.1:1"
    with pytest.raises(AssertionError, match="ended by itself"):
        second.start()
