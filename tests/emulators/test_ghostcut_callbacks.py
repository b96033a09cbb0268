"""GhostCut emulator: callbacks, signed and repeated until they are taken."""

import pytest

from tests.emulators.ghostcut_desk import APP_SECRET, GhostCutDesk, md5


def state(ghostcut: GhostCutDesk, identity: int) -> str:
    (entry,) = [row for row in ghostcut.program.books()["submissions"] if row["id"] == identity]
    return str(entry["callback"])


def test_a_callback_is_one_row_of_the_status_without_envelope(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body()
    identity = ghostcut.accepted(body)
    delivery = ghostcut.delivery(body)
    assert [delivery.body] == ghostcut.status(identity)
    assert delivery.body["url"] == body["urls"][0]
    assert delivery.headers["callback-sign"] == md5(md5(delivery.raw).encode() + APP_SECRET.encode())


@pytest.mark.parametrize("answer", [(500, b"no"), (200, b""), (204, b"")])
def test_a_callback_that_is_not_taken_comes_again(ghostcut: GhostCutDesk, answer: tuple[int, bytes]) -> None:
    ghostcut.listener.answers.append(answer)
    body = ghostcut.body()
    with ghostcut.program.settings(callback_retry_seconds=0.05):
        ghostcut.accepted(body)
        assert ghostcut.delivery(body).raw == ghostcut.delivery(body).raw


def test_a_callback_is_given_up_when_the_work_is_too_old(ghostcut: GhostCutDesk) -> None:
    ghostcut.listener.answers.append((500, b"no"))
    body, next_body = ghostcut.body(), ghostcut.body()
    with ghostcut.program.settings(callback_retry_seconds=0.05, callback_window_seconds=0.01):
        identity = ghostcut.accepted(body)
        ghostcut.delivery(body)
        ghostcut.ended(next_body)
    assert state(ghostcut, identity) == "given_up"


def test_a_callback_can_be_lost(ghostcut: GhostCutDesk) -> None:
    lost, next_body = ghostcut.body(), ghostcut.body()
    ghostcut.program.arm("callback", effect="drop", match=lost["callback"])
    identity = ghostcut.accepted(lost)
    ghostcut.ended(next_body)
    while state(ghostcut, identity) == "owed":
        ghostcut.status(identity)
    assert state(ghostcut, identity) == "lost"
    assert ghostcut.listener.inbox("/" + lost["callback"].rpartition("/")[2]).empty()


def test_a_callback_can_come_twice(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body()
    ghostcut.program.arm("callback", effect="duplicate", match=body["callback"])
    ghostcut.accepted(body)
    assert ghostcut.delivery(body).raw == ghostcut.delivery(body).raw


def test_a_callback_can_come_again_with_another_address(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body()
    ghostcut.program.arm("callback", effect="changed_url", match=body["callback"])
    identity = ghostcut.accepted(body)
    first, second = ghostcut.delivery(body).body, ghostcut.delivery(body).body
    assert first["videoUrl"] != second["videoUrl"]
    assert ghostcut.status(identity)[0]["videoUrl"] == second["videoUrl"]
    assert ghostcut.program.http.get(first["videoUrl"]).status_code == 404
    assert ghostcut.program.http.get(second["videoUrl"]).status_code == 200


def test_a_query_in_the_callback_s_address_is_kept(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body(callback=f"{ghostcut.listener.url}/attempt?job=7&try=1")
    ghostcut.accepted(body)
    assert ghostcut.listener.next("/attempt?job=7&try=1").body["processStatus"] == 1
