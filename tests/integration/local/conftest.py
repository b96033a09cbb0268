"""A separate data folder for each test, with no settings from the environment; nothing remains after the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local.stack.data_dir import DataDir
from tests.support.supervisor import Supervisor


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    if folder.exists():
        with DataDir(folder) as used:
            used.delete()


@pytest.fixture
def supervisor(data: Path) -> Iterator[Supervisor]:
    """`up` as a subprocess, so that tests can interrupt and kill it."""
    supervisor = Supervisor(data)
    yield supervisor
    supervisor.kill_all()
