"""The control endpoints need no password, so they reject every web page in a browser on this machine."""

import httpx
import pytest

from tests.support.emulator_process import EmulatorProcess
from tests.support.ghostcut_emulator import GhostCutEmulatorClient
from tests.support.sync_so_emulator import SyncSoEmulatorClient

FOREIGN_ORIGIN = {"Origin": "http://127.0.0.1:9"}  # another program's page on this machine
REBOUND_HOST = {"Host": "foreign.example"}  # a name whose owner points it at this machine


@pytest.fixture(params=["sync_so", "ghostcut"])
def program(
    request: pytest.FixtureRequest, sync_so: SyncSoEmulatorClient, ghostcut: GhostCutEmulatorClient
) -> EmulatorProcess:
    return sync_so.program if request.param == "sync_so" else ghostcut.program


def send_as_page(program: EmulatorProcess, method: str, page: str, headers: dict[str, str]) -> httpx.Response:
    """Send as a page can without a CORS preflight: a body without a content type."""
    body = b'{"kind": "reset", "times": 9, "match": "no such job"}' if method == "POST" else None
    return program.http.request(method, f"{program.url}/_emulator/{page}", headers=headers, content=body)


@pytest.mark.parametrize("headers", [FOREIGN_ORIGIN, REBOUND_HOST], ids=["another origin", "another name"])
def test_a_foreign_page_cannot_inject_a_fault(program: EmulatorProcess, headers: dict[str, str]) -> None:
    assert send_as_page(program, "POST", "faults", headers).is_client_error
    assert program.control("GET", "faults").json() == []


@pytest.mark.parametrize("page", ["records", "settings", "faults", "calls"])
@pytest.mark.parametrize("headers", [FOREIGN_ORIGIN, REBOUND_HOST], ids=["another origin", "another name"])
def test_a_foreign_page_cannot_read_state(program: EmulatorProcess, page: str, headers: dict[str, str]) -> None:
    assert send_as_page(program, "GET", page, headers).is_client_error


def test_state_is_readable_via_127_0_0_1_and_localhost(program: EmulatorProcess) -> None:
    for name in ("127.0.0.1", "localhost"):
        assert send_as_page(program, "GET", "records", {"Host": f"{name}:{program.port}"}).is_success
