"""GhostCut emulator: the status walk, failures, points, and the result's address."""

from typing import Any

import pytest

from tests.emulators.ghostcut_desk import GhostCutDesk

NEVER = 3600.0  # seconds of processing: until the test moves the clock


def test_a_work_walks_over_the_clock_to_success(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.film_body()
    with ghostcut.program.settings(processing_seconds=NEVER):
        identity = ghostcut.accepted(body)
        (queued,) = ghostcut.status(identity)
        ghostcut.program.change(processing_seconds=0)
        done = ghostcut.delivery(body).body
    assert (queued["processStatus"], queued["processStatusEnum"]["code"]) == (-1, -1)
    assert queued["processProgress"] < 1
    assert "videoUrl" not in queued
    assert (done["processStatus"], done["processProgress"], done["errorDetail"]) == (1, 100.0, "")
    assert (done["duration"], done["paidPoint"]) == (3.0, 1.0)
    assert ghostcut.status(identity) == [done]
    (entry,) = [row for row in ghostcut.program.books()["submissions"] if row["id"] == identity]
    assert (entry["polls"], entry["paid"], entry["request"]) == (2, 1.0, body)


def test_a_slow_work_is_seen_in_preparation_and_at_work(ghostcut: GhostCutDesk) -> None:
    seen = set()
    with ghostcut.program.settings(processing_seconds=1.5):
        body = ghostcut.body()
        identity = ghostcut.accepted(body)
        while (status := ghostcut.status(identity)[0]["processStatus"]) < 1:
            seen.add(status)
    assert (seen, status) == ({-1, -2, 0}, 1)


def test_unknown_ids_are_left_out(ghostcut: GhostCutDesk) -> None:
    assert ghostcut.status(1, 2) == []


def test_ids_may_be_asked_for_as_numbers_or_strings(ghostcut: GhostCutDesk) -> None:
    identity = ghostcut.accepted(ghostcut.body())
    answer = ghostcut.post("work/status", {"idWorks": [str(identity)]}).json()
    assert [item["id"] for item in answer["body"]["content"]] == [identity]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("{files}/absent.mp4", 3),
        ("{files}/forbidden.mp4", 3),
        ("http://127.0.0.1:1/film.mp4", 3),
        (f"http://{'x' * 70}/film.mp4", 2),
        ("film.mp4", 2),
        ("{files}/電影.mp4", 2),
        ("{files}/text.mp4", 16),
        ("{files}/half.mp4", 16),
        ("{files}/two-seconds.wav", 16),
    ],
)
def test_a_source_that_cannot_be_had_or_read_fails_at_full_progress(
    ghostcut: GhostCutDesk, url: str, status: int
) -> None:
    work = ghostcut.ended(ghostcut.body(urls=[url.format(files=ghostcut.files)]))
    assert (work["processStatus"], work["processProgress"], work["paidPoint"]) == (status, 100.0, 0.0)
    assert "videoUrl" not in work
    assert work["processStatusEnum"]["description"]


@pytest.mark.parametrize("status", [5, 18, 20, 22, 43, 111])
def test_any_failure_can_be_ordered(ghostcut: GhostCutDesk, status: int) -> None:
    ghostcut.program.arm("ends", status=status, detail="the reason")
    work = ghostcut.ended(ghostcut.body())
    assert (work["processStatus"], work["errorDetail"], work["paidPoint"]) == (status, "the reason", 0.0)


def balance(ghostcut: GhostCutDesk) -> float:
    answer = ghostcut.post("point/query", {"notZero": True, "isValid": True}).json()
    assert answer["body"]["count"] == len(answer["body"]["pointAssets"])
    return float(sum(asset["pointBalance"] for asset in answer["body"]["pointAssets"]))


def test_every_work_costs_points(ghostcut: GhostCutDesk) -> None:
    before = balance(ghostcut)
    body = ghostcut.body()
    ghostcut.ended(body), ghostcut.ended(body)
    assert balance(ghostcut) == before - 2


def test_without_points_a_work_does_not_start(ghostcut: GhostCutDesk) -> None:
    with ghostcut.program.settings(points=0):
        assert balance(ghostcut) == 0
        assert ghostcut.ended(ghostcut.body())["processStatus"] == 73


def test_a_work_that_cannot_be_paid_at_its_end_is_locked_until_points_come_in(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body()
    with ghostcut.program.settings(processing_seconds=NEVER, points=1):
        ids = [ghostcut.accepted(body), ghostcut.accepted(body)]
        ghostcut.program.change(processing_seconds=2)  # both have begun before the first one is paid for
        works = [ghostcut.delivery(body).body for _ in ids]
        assert sorted(work["processStatus"] for work in works) == [1, 83]
        ghostcut.program.change(points=5)
        unlocked = ghostcut.delivery(body).body
        assert (unlocked["processStatus"], balance(ghostcut)) == (1, 4)
        assert ghostcut.program.http.get(unlocked["videoUrl"]).status_code == 200


@pytest.fixture(scope="module")
def done(ghostcut: GhostCutDesk) -> dict[str, Any]:
    return ghostcut.ended(ghostcut.body())


def test_the_result_is_a_plain_link_that_may_expire(ghostcut: GhostCutDesk, done: dict[str, Any]) -> None:
    assert ghostcut.program.http.get(done["videoUrl"]).headers["content-type"] == "video/mp4"
    assert ghostcut.program.http.get(done["videoUrl"], headers={"Range": "bytes=0-9"}).status_code == 206
    with ghostcut.program.settings(result_ttl=0.000001):
        assert ghostcut.program.http.get(done["videoUrl"]).status_code == 403
