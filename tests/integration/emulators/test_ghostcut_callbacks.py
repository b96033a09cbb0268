"""GhostCut emulator: callbacks, signed, and repeated until the receiver accepts them."""

import pytest

from tests.support.ghostcut_emulator import APP_SECRET, GhostCutEmulatorClient, md5_hex


def callback_state(ghostcut: GhostCutEmulatorClient, identity: int) -> str:
    (entry,) = [row for row in ghostcut.program.dump_state()["submissions"] if row["id"] == identity]
    return str(entry["callback"])


def test_a_callback_body_equals_one_status_row(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body()
    identity = ghostcut.submit_and_get_id(body)
    delivery = ghostcut.next_callback(body)
    assert [delivery.body] == ghostcut.status(identity)
    assert delivery.body["url"] == body["urls"][0]
    assert delivery.headers["callback-sign"] == md5_hex(md5_hex(delivery.raw).encode() + APP_SECRET.encode())


@pytest.mark.parametrize("answer", [(500, b"no"), (200, b""), (204, b"")])
def test_a_callback_without_200_ok_is_retried(ghostcut: GhostCutEmulatorClient, answer: tuple[int, bytes]) -> None:
    ghostcut.listener.replies.append(answer)
    body = ghostcut.make_body()
    with ghostcut.program.temporary_settings(callback_retry_seconds=0.05):
        ghostcut.submit_and_get_id(body)
        assert ghostcut.next_callback(body).raw == ghostcut.next_callback(body).raw


def test_callback_retries_stop_when_the_work_is_too_old(ghostcut: GhostCutEmulatorClient) -> None:
    ghostcut.listener.replies.append((500, b"no"))
    body, next_body = ghostcut.make_body(), ghostcut.make_body()
    with ghostcut.program.temporary_settings(callback_retry_seconds=0.05, callback_window_seconds=0.01):
        identity = ghostcut.submit_and_get_id(body)
        ghostcut.next_callback(body)
        ghostcut.run_to_end(next_body)
    assert callback_state(ghostcut, identity) == "given_up"


def test_a_callback_can_be_lost(ghostcut: GhostCutEmulatorClient) -> None:
    lost, next_body = ghostcut.make_body(), ghostcut.make_body()
    ghostcut.program.inject_fault("callback", effect="drop", match=lost["callback"])
    identity = ghostcut.submit_and_get_id(lost)
    ghostcut.run_to_end(next_body)
    while callback_state(ghostcut, identity) == "owed":
        ghostcut.status(identity)
    assert callback_state(ghostcut, identity) == "lost"
    assert ghostcut.listener.inbox("/" + lost["callback"].rpartition("/")[2]).empty()


def test_a_callback_can_come_twice(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body()
    ghostcut.program.inject_fault("callback", effect="duplicate", match=body["callback"])
    ghostcut.submit_and_get_id(body)
    assert ghostcut.next_callback(body).raw == ghostcut.next_callback(body).raw


def test_a_callback_can_repeat_with_another_result_url(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body()
    ghostcut.program.inject_fault("callback", effect="changed_url", match=body["callback"])
    identity = ghostcut.submit_and_get_id(body)
    first, second = ghostcut.next_callback(body).body, ghostcut.next_callback(body).body
    assert first["videoUrl"] != second["videoUrl"]
    assert ghostcut.status(identity)[0]["videoUrl"] == second["videoUrl"]
    assert ghostcut.program.http.get(first["videoUrl"]).status_code == 404
    assert ghostcut.program.http.get(second["videoUrl"]).status_code == 200


def test_the_callback_url_keeps_its_query_string(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body(callback=f"{ghostcut.listener.url}/attempt?job=7&try=1")
    ghostcut.submit_and_get_id(body)
    assert ghostcut.listener.wait_for("/attempt?job=7&try=1").body["processStatus"] == 1
