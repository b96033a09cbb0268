"""GhostCut emulator: every fault that a test can inject."""

import httpx
import pytest

from tests.support.ghostcut_emulator import GhostCutEmulatorClient


def submission_count(ghostcut: GhostCutEmulatorClient) -> int:
    return len(ghostcut.program.dump_state()["submissions"])


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("code", [9999, 3006])
def test_an_error_code_can_precede_or_follow_acceptance(
    ghostcut: GhostCutEmulatorClient, code: int, when: str, more: int
) -> None:
    before = submission_count(ghostcut)
    ghostcut.program.inject_fault("code", code=code, when=when)
    answer = ghostcut.post_signed("work/free", ghostcut.make_body())
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert submission_count(ghostcut) == before + more


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_502_or_a_broken_body_can_precede_or_follow_acceptance(
    ghostcut: GhostCutEmulatorClient, when: str, more: int
) -> None:
    before = submission_count(ghostcut)
    ghostcut.program.inject_fault("http_error", status=502, when=when)
    assert ghostcut.post_signed("work/free", ghostcut.make_body()).status_code == 502
    ghostcut.program.inject_fault("malformed", when=when)
    with pytest.raises(ValueError, match="Unterminated"):
        ghostcut.post_signed("work/free", ghostcut.make_body()).json()
    assert submission_count(ghostcut) == before + 2 * more


@pytest.mark.parametrize(("when", "more"), [("before", 0), ("after", 1)])
def test_a_reset_can_precede_or_follow_acceptance(ghostcut: GhostCutEmulatorClient, when: str, more: int) -> None:
    before = submission_count(ghostcut)
    ghostcut.program.inject_fault("reset", when=when)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        ghostcut.post_signed("work/free", ghostcut.make_body())
    assert submission_count(ghostcut) == before + more


def test_an_after_fault_skips_a_rejected_submission(ghostcut: GhostCutEmulatorClient) -> None:
    ghostcut.program.inject_fault("http_error", when="after")
    assert ghostcut.submit(ghostcut.make_body(urls=[]))["code"] == 3008
    assert ghostcut.post_signed("work/free", ghostcut.make_body()).status_code == 502


def test_a_status_fault_matches_the_submitted_body(ghostcut: GhostCutEmulatorClient) -> None:
    mine, other = ghostcut.make_body(names=["mine"]), ghostcut.make_body(names=["other"])
    ids = [ghostcut.submit_and_get_id(mine), ghostcut.submit_and_get_id(other)]
    ghostcut.program.inject_fault("code", code=9999, on="status", match='"mine"')
    codes = [ghostcut.post_signed("work/status", {"idWorks": [identity]}).json()["code"] for identity in ids]
    assert codes == [9999, 1000]


def test_a_download_can_be_truncated_and_a_link_can_expire(ghostcut: GhostCutEmulatorClient) -> None:
    url = ghostcut.run_to_end(ghostcut.make_body())["videoUrl"]
    ghostcut.program.inject_fault("truncated_download")
    with pytest.raises(httpx.RemoteProtocolError):
        ghostcut.program.http.get(url)
    ghostcut.program.inject_fault("expired_link")
    assert [ghostcut.program.http.get(url).status_code for _ in range(2)] == [403, 200]


def test_an_acceptance_can_omit_work_ids(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body()
    ghostcut.program.inject_fault("no_work_ids")
    answer = ghostcut.submit(body)
    assert (answer["code"], list(answer["body"])) == (1000, ["idProject"])
    [row] = ghostcut.post_signed("work/status", {"idProjects": [answer["body"]["idProject"]]}).json()["body"]["content"]
    assert row["url"] == body["urls"][0]
