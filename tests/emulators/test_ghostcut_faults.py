"""GhostCut emulator: everything that a test can let go wrong."""

import httpx
import pytest

from tests.emulators.ghostcut_desk import GhostCutDesk


def made(ghostcut: GhostCutDesk) -> int:
    return len(ghostcut.program.books()["submissions"])


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("code", [9999, 3006])
def test_an_error_code_comes_before_or_after_the_submission_is_taken(
    ghostcut: GhostCutDesk, code: int, when: str, more: int
) -> None:
    before = made(ghostcut)
    ghostcut.program.arm("code", code=code, when=when)
    answer = ghostcut.post("work/free", ghostcut.body())
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert made(ghostcut) == before + more


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_gateway_error_and_a_broken_body_come_before_or_after(ghostcut: GhostCutDesk, when: str, more: int) -> None:
    before = made(ghostcut)
    ghostcut.program.arm("http_error", status=502, when=when)
    assert ghostcut.post("work/free", ghostcut.body()).status_code == 502
    ghostcut.program.arm("malformed", when=when)
    with pytest.raises(ValueError, match="Unterminated"):
        ghostcut.post("work/free", ghostcut.body()).json()
    assert made(ghostcut) == before + 2 * more


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset_before_or_after_the_submission_is_taken(
    ghostcut: GhostCutDesk, when: str, more: int
) -> None:
    before = made(ghostcut)
    ghostcut.program.arm("reset", when=when)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        ghostcut.post("work/free", ghostcut.body())
    assert made(ghostcut) == before + more


def test_a_fault_after_acceptance_waits_for_a_submission_that_is_accepted(ghostcut: GhostCutDesk) -> None:
    ghostcut.program.arm("http_error", when="after")
    assert ghostcut.submit(ghostcut.body(urls=[]))["code"] == 3008
    assert ghostcut.post("work/free", ghostcut.body()).status_code == 502


def test_a_fault_on_the_status_knows_what_the_work_was_submitted_with(ghostcut: GhostCutDesk) -> None:
    mine, other = ghostcut.body(names=["mine"]), ghostcut.body(names=["other"])
    ids = [ghostcut.accepted(mine), ghostcut.accepted(other)]
    ghostcut.program.arm("code", code=9999, on="status", match='"mine"')
    codes = [ghostcut.post("work/status", {"idWorks": [identity]}).json()["code"] for identity in ids]
    assert codes == [9999, 1000]


def test_a_download_can_break_off_and_a_link_can_expire(ghostcut: GhostCutDesk) -> None:
    url = ghostcut.ended(ghostcut.body())["videoUrl"]
    ghostcut.program.arm("truncated_download")
    with pytest.raises(httpx.RemoteProtocolError):
        ghostcut.program.http.get(url)
    ghostcut.program.arm("expired_link")
    assert [ghostcut.program.http.get(url).status_code for _ in range(2)] == [403, 200]


def test_an_acceptance_can_name_the_project_only_and_the_project_shows_the_work(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body()
    ghostcut.program.arm("no_work_ids")
    answer = ghostcut.submit(body)
    assert (answer["code"], list(answer["body"])) == (1000, ["idProject"])
    [row] = ghostcut.post("work/status", {"idProjects": [answer["body"]["idProject"]]}).json()["body"]["content"]
    assert row["url"] == body["urls"][0]
