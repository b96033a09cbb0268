"""What a data folder stores."""

import socket
import stat
from pathlib import Path

import pytest

from deployments.local.stack.data_dir import FIRST_PORT, HOST, LAST_PORT, DataDir
from deployments.local.stack.errors import StackError


def test_each_service_keeps_its_port_across_runs(tmp_path: Path) -> None:
    with DataDir(tmp_path) as folder:
        first = [folder.port("a"), folder.port("b")]

    with DataDir(tmp_path) as folder:
        assert [folder.port("a"), folder.port("b")] == first
    assert len(set(first)) == 2
    assert all(FIRST_PORT <= port <= LAST_PORT for port in first)


def test_a_port_in_use_is_replaced_by_another(tmp_path: Path) -> None:
    with DataDir(tmp_path) as folder:
        first = folder.port("a")

    with socket.socket() as somebody, DataDir(tmp_path) as folder:
        somebody.bind((HOST, first))
        somebody.listen()
        assert folder.port("a") != first


def test_secrets_are_created_once_and_readable_by_owner_only(tmp_path: Path) -> None:
    with DataDir(tmp_path) as folder:
        first = folder.secret("password")
        assert folder.secret("another") != first

    with DataDir(tmp_path) as folder:
        assert folder.secret("password") == first
    assert stat.S_IMODE((tmp_path / "remembered.json").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(StackError, match=r"Cannot use .*file/data .*--data"), DataDir(in_the_way / "data"):
        pass
