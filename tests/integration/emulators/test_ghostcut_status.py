"""GhostCut emulator: the sequence of statuses, failures, points, and the result's address."""

from typing import Any

import pytest

from tests.support.ghostcut_emulator import GhostCutEmulatorClient

ONE_HOUR_SECONDS = 3600.0  # seconds of processing: until the test moves the clock


def test_a_work_goes_from_queued_to_success(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_film_body()
    with ghostcut.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS):
        identity = ghostcut.submit_and_get_id(body)
        (queued,) = ghostcut.status(identity)
        ghostcut.program.update_settings(processing_seconds=0)
        finished_work = ghostcut.next_callback(body).body
    assert (queued["processStatus"], queued["processStatusEnum"]["code"]) == (-1, -1)
    assert queued["processProgress"] < 1
    assert "videoUrl" not in queued
    assert (finished_work["processStatus"], finished_work["processProgress"], finished_work["errorDetail"]) == (
        1,
        100.0,
        "",
    )
    assert (finished_work["duration"], finished_work["paidPoint"]) == (3.0, 1.0)
    assert ghostcut.status(identity) == [finished_work]
    (entry,) = [row for row in ghostcut.program.dump_state()["submissions"] if row["id"] == identity]
    assert (entry["polls"], entry["paid"], entry["request"]) == (2, 1.0, body)


def test_a_slow_work_passes_through_every_status(ghostcut: GhostCutEmulatorClient) -> None:
    seen = set()
    with ghostcut.program.temporary_settings(processing_seconds=1.5):
        body = ghostcut.make_body()
        identity = ghostcut.submit_and_get_id(body)
        while (status := ghostcut.status(identity)[0]["processStatus"]) < 1:
            seen.add(status)
    assert (seen, status) == ({-1, -2, 0}, 1)


def test_unknown_ids_are_omitted_from_the_status(ghostcut: GhostCutEmulatorClient) -> None:
    assert ghostcut.status(1, 2) == []


def test_the_status_accepts_ids_as_numbers_or_strings(ghostcut: GhostCutEmulatorClient) -> None:
    identity = ghostcut.submit_and_get_id(ghostcut.make_body())
    answer = ghostcut.post_signed("work/status", {"idWorks": [str(identity)]}).json()
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
def test_an_unreadable_source_fails_at_full_progress(ghostcut: GhostCutEmulatorClient, url: str, status: int) -> None:
    work = ghostcut.run_to_end(ghostcut.make_body(urls=[url.format(files=ghostcut.files)]))
    assert (work["processStatus"], work["processProgress"], work["paidPoint"]) == (status, 100.0, 0.0)
    assert "videoUrl" not in work
    assert work["processStatusEnum"]["description"]


@pytest.mark.parametrize("status", [5, 18, 20, 22, 43, 111])
def test_any_failure_status_can_be_forced(ghostcut: GhostCutEmulatorClient, status: int) -> None:
    ghostcut.program.inject_fault("ends", status=status, detail="the reason")
    work = ghostcut.run_to_end(ghostcut.make_body())
    assert (work["processStatus"], work["errorDetail"], work["paidPoint"]) == (status, "the reason", 0.0)


def balance(ghostcut: GhostCutEmulatorClient) -> float:
    answer = ghostcut.post_signed("point/query", {"notZero": True, "isValid": True}).json()
    assert answer["body"]["count"] == len(answer["body"]["pointAssets"])
    return float(sum(asset["pointBalance"] for asset in answer["body"]["pointAssets"]))


def test_every_work_costs_points(ghostcut: GhostCutEmulatorClient) -> None:
    before = balance(ghostcut)
    body = ghostcut.make_body()
    ghostcut.run_to_end(body), ghostcut.run_to_end(body)
    assert balance(ghostcut) == before - 2


def test_without_points_a_work_does_not_start(ghostcut: GhostCutEmulatorClient) -> None:
    with ghostcut.program.temporary_settings(points=0):
        assert balance(ghostcut) == 0
        assert ghostcut.run_to_end(ghostcut.make_body())["processStatus"] == 73


def test_an_unpaid_result_is_locked_until_points_arrive(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body()
    with ghostcut.program.temporary_settings(processing_seconds=ONE_HOUR_SECONDS, points=1):
        ids = [ghostcut.submit_and_get_id(body), ghostcut.submit_and_get_id(body)]
        ghostcut.program.update_settings(processing_seconds=2)  # both have started before the first one is charged
        works = [ghostcut.next_callback(body).body for _ in ids]
        assert sorted(work["processStatus"] for work in works) == [1, 83]
        ghostcut.program.update_settings(points=5)
        unlocked = ghostcut.next_callback(body).body
        assert (unlocked["processStatus"], balance(ghostcut)) == (1, 4)
        assert ghostcut.program.http.get(unlocked["videoUrl"]).status_code == 200


@pytest.fixture(scope="module")
def finished_work(ghostcut: GhostCutEmulatorClient) -> dict[str, Any]:
    return ghostcut.run_to_end(ghostcut.make_body())


def test_the_result_is_a_plain_link_that_may_expire(
    ghostcut: GhostCutEmulatorClient, finished_work: dict[str, Any]
) -> None:
    assert ghostcut.program.http.get(finished_work["videoUrl"]).headers["content-type"] == "video/mp4"
    assert ghostcut.program.http.get(finished_work["videoUrl"], headers={"Range": "bytes=0-9"}).status_code == 206
    with ghostcut.program.temporary_settings(result_ttl=0.000001):
        assert ghostcut.program.http.get(finished_work["videoUrl"]).status_code == 403
