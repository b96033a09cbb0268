"""A data folder of its own for each test; nothing given by the environment; nothing left when the test is over."""

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
    """`up` as a program, so that it can be interrupted and killed."""
    supervisor = Supervisor(data)
    yield supervisor
    supervisor.kill_all()
