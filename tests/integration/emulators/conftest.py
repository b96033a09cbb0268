"""Both emulators as real processes, started once. Their clock stays at zero unless a test sets it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import emulator_clips, ghostcut_emulator, sync_so_emulator
from tests.support.callback_receiver import CallbackReceiver, run_callback_receiver, serve_files
from tests.support.emulator_process import EmulatorProcess
from tests.support.ghostcut_emulator import GhostCutEmulatorClient
from tests.support.sync_so_emulator import SyncSoEmulatorClient


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source files: a film of 3 s at 25 frames per second, sounds, and files that are neither."""
    folder = tmp_path_factory.mktemp("media")
    film = emulator_clips.write_video(folder / "film.mp4")
    emulator_clips.write_video(folder / "short.mp4", seconds=0.4)
    emulator_clips.write_video(folder / "clean.mp4", text=False)
    emulator_clips.write_video(folder / "silent.mp4", seed=None)
    emulator_clips.write_audio(folder / "two-seconds.wav", 2.0, seed=2)
    emulator_clips.write_audio(folder / "half-a-second.wav", 0.5, seed=3)
    emulator_clips.write_audio(folder / "long.wav", 3.6, seed=4)
    (folder / "text.mp4").write_text("not a film")
    (folder / "half.mp4").write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    return folder


@pytest.fixture(scope="session")
def files(media: Path) -> Iterator[str]:
    with serve_files(media) as url:
        yield url


@pytest.fixture(scope="session")
def listener() -> Iterator[CallbackReceiver]:
    with run_callback_receiver() as listener:
        yield listener


@pytest.fixture(scope="session")
def sync_so(files: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncSoEmulatorClient]:
    secrets = {
        "SYNC_SO_API_KEY": sync_so_emulator.API_KEY,
        "SYNC_SO_WEBHOOK_SECRET": sync_so_emulator.WEBHOOK_SECRET,
    }
    program = EmulatorProcess("sync_so", tmp_path_factory.mktemp("sync-so"), secrets)
    program.start("--processing-seconds", "0")
    yield SyncSoEmulatorClient(program, files, tmp_path_factory.mktemp("results"))
    assert program.stop() == 0


@pytest.fixture(scope="session")
def ghostcut(
    files: str, listener: CallbackReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GhostCutEmulatorClient]:
    secrets = {"GHOSTCUT_APP_KEY": ghostcut_emulator.APP_KEY, "GHOSTCUT_APP_SECRET": ghostcut_emulator.APP_SECRET}
    program = EmulatorProcess("ghostcut", tmp_path_factory.mktemp("ghostcut"), secrets)
    program.start("--processing-seconds", "0")
    yield GhostCutEmulatorClient(program, files, listener, tmp_path_factory.mktemp("results"))
    assert program.stop() == 0
