"""The control endpoints ask for no password, so no page in a browser on this machine may use them."""

import httpx
import pytest

from tests.emulators.ghostcut_desk import GhostCutDesk
from tests.emulators.program import Program
from tests.emulators.sync_so_desk import SyncSoDesk

FOREIGN = {"Origin": "http://127.0.0.1:9"}  # another program's page on this machine
REBOUND = {"Host": "foreign.example"}  # a name that its owner has pointed at this machine


@pytest.fixture(params=["sync_so", "ghostcut"])
def program(request: pytest.FixtureRequest, sync_so: SyncSoDesk, ghostcut: GhostCutDesk) -> Program:
    return sync_so.program if request.param == "sync_so" else ghostcut.program


def asked(program: Program, method: str, page: str, headers: dict[str, str]) -> httpx.Response:
    """As a page can ask without the browser asking first: a body without a type."""
    body = b'{"kind": "reset", "times": 9, "match": "no such job"}' if method == "POST" else None
    return program.http.request(method, f"{program.url}/_emulator/{page}", headers=headers, content=body)


@pytest.mark.parametrize("headers", [FOREIGN, REBOUND], ids=["another origin", "another name"])
def test_a_foreign_page_arms_no_fault(program: Program, headers: dict[str, str]) -> None:
    assert asked(program, "POST", "faults", headers).is_client_error
    assert program.control("GET", "faults").json() == []


@pytest.mark.parametrize("page", ["books", "settings", "faults", "calls"])
@pytest.mark.parametrize("headers", [FOREIGN, REBOUND], ids=["another origin", "another name"])
def test_a_foreign_page_reads_nothing(program: Program, page: str, headers: dict[str, str]) -> None:
    assert asked(program, "GET", page, headers).is_client_error


def test_a_person_opens_the_books_in_a_browser_under_both_names_of_this_machine(program: Program) -> None:
    for name in ("127.0.0.1", "localhost"):
        assert asked(program, "GET", "books", {"Host": f"{name}:{program.port}"}).is_success
