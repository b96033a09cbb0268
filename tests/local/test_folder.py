"""What a data folder remembers."""

import socket
import stat
from pathlib import Path

import pytest

from deployments.local.errors import StackError
from deployments.local.folder import FIRST_PORT, HOST, LAST_PORT, Folder


def test_each_part_keeps_its_own_port_from_run_to_run(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = [folder.port("a"), folder.port("b")]

    with Folder(tmp_path) as folder:
        assert [folder.port("a"), folder.port("b")] == first
    assert len(set(first)) == 2
    assert all(FIRST_PORT <= port <= LAST_PORT for port in first)


def test_a_port_that_somebody_else_took_is_left_to_them(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = folder.port("a")

    with socket.socket() as somebody, Folder(tmp_path) as folder:
        somebody.bind((HOST, first))
        somebody.listen()
        assert folder.port("a") != first


def test_secrets_are_made_once_and_kept_where_only_the_owner_reads(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        first = folder.secret("password")
        assert folder.secret("another") != first

    with Folder(tmp_path) as folder:
        assert folder.secret("password") == first
    assert stat.S_IMODE((tmp_path / "remembered.json").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(StackError, match=r"file/data cannot be used .*--data"), Folder(in_the_way / "data"):
        pass
