"""GhostCut's status of a work."""

from decimal import Decimal
from typing import Any

import pytest

from videojobs.providers.ghostcut.schemas import WorkStatus
from videojobs.providers.ghostcut.statuses import PROCESS_STATUSES, StatusClass, process_status

TOKEN = "token-never-shown"
ROW: dict[str, Any] = {
    "id": 521461135,
    "idProject": 249807732,
    "url": f"https://s3.test/v.mp4?X-Amz-Signature={TOKEN}",
    "processStatus": 0,
    "processStatusEnum": {"code": 0, "description": "处理中"},
    "processProgress": 37.5,
    "paidPoint": 1.0,
    "duration": 12.0,
    "videoUrl": None,
    "errorDetail": "",
}
DOCUMENTED_CODES: dict[StatusClass, list[int]] = {
    StatusClass.RUNNING: [-3, -2, -1, 0],
    StatusClass.DONE: [1],
    StatusClass.FIX_INPUT: [2, 3, 5, 14, 16, 24, 26, 27, 28, 29, 30, 31, 32, 99, 100],
    StatusClass.VENDOR: [6, 7, 13, 20, 21, 22, 1000],
    StatusClass.RETRY: [18, 23, 43, 111],
    StatusClass.POINTS: [73, 83],
    StatusClass.STORAGE: [98],
}


def make_work(**fields: object) -> WorkStatus:
    return WorkStatus.model_validate(ROW | fields)


def test_the_table_has_every_documented_code_once() -> None:
    by_class = {cls: [row.code for row in PROCESS_STATUSES.values() if row.status_class is cls] for cls in StatusClass}
    assert {cls: sorted(codes) for cls, codes in by_class.items()} == DOCUMENTED_CODES


@pytest.mark.parametrize("progress", [0.0, 50.0, 100.0])
def test_the_status_sign_decides_and_not_the_progress(progress: float) -> None:
    for code in (*PROCESS_STATUSES, -7, 4, 57, 9999):
        found = make_work(processStatus=code, processProgress=progress)
        assert (found.is_done, found.is_failed, found.is_running) == (code == 1, code > 1, code < 1), code


def test_every_failure_says_what_happened_and_what_to_do() -> None:
    for code in (code for code in PROCESS_STATUSES if code > 1):
        text = make_work(processStatus=code, processStatusEnum=None, errorDetail="the detail").failure_text
        meaning, _, rest = text.partition(f" (status {code}): ")
        assert meaning == process_status(code).meaning
        what, _, to_do = rest.partition(". ")
        assert what == "the detail"
        assert len(to_do) > 10, code


@pytest.mark.parametrize("code", [-7, -1, 0, 1])
def test_no_failure_text_without_a_failure(code: int) -> None:
    assert make_work(processStatus=code, errorDetail="left over").failure_text == ""


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"errorDetail": "A", "error_detail": "B"}, ": A."),
        ({"errorDetail": "", "error_detail": "B"}, ": B."),
        ({"errorDetail": None, "processStatusEnum": {"code": 3, "description": "下载失败"}}, ": 下载失败."),
        ({"errorDetail": f"https://s3.test/k?sig={TOKEN} unreachable"}, ": https://s3.test/k unreachable."),
        ({"processStatusEnum": None}, "(status 3). "),
        ({"processStatusEnum": {"code": 3}}, "(status 3). "),
    ],
)
def test_a_failure_detail_is_found_in_any_field(fields: dict[str, object], detail: str) -> None:
    text = make_work(processStatus=3, **fields).failure_text
    assert text.startswith("the video could not be downloaded (status 3)")
    assert detail in text
    assert text.endswith("Correct the video or the areas")


def test_a_work_not_started_for_lack_of_points_is_resubmittable() -> None:
    found = make_work(processStatus=73)
    assert not found.is_locked
    assert "not enough points, the work was not started" in found.failure_text
    assert found.failure_text.endswith("Top up the points of the GhostCut account")


def test_a_finished_work_locked_for_points_is_not_resubmitted() -> None:
    found = make_work(processStatus=83)
    assert found.is_failed
    assert found.is_locked
    assert "not enough points, the work is finished but locked" in found.failure_text
    assert found.failure_text.endswith("and unlock the work there; do not submit it again")


def test_an_undocumented_failure_names_its_code() -> None:
    assert make_work(processStatus=57).failure_text.startswith("an undocumented failure (status 57): 处理中. Ask")
    assert process_status(-7).status_class is StatusClass.RUNNING


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"processStatus": "3"}, 3),
        ({"processStatus": None, "processStatusEnum": {"code": 3}}, 3),
        ({"processStatus": "odd", "processStatusEnum": None}, None),
    ],
)
def test_the_status_may_come_as_text_or_in_its_enum_only(fields: dict[str, object], code: int | None) -> None:
    found = make_work(**fields)
    assert found.code == code
    assert found.is_running == (code is None)


@pytest.mark.parametrize(("raw", "progress"), [(37.5, 37.5), ("80", 80.0), (140, 100.0), (-1, 0.0), (None, 0.0)])
def test_the_progress_is_a_percentage(raw: object, progress: float) -> None:
    assert make_work(processProgress=raw).progress_percent == progress


@pytest.mark.parametrize(
    ("raw", "points"), [(1.0, Decimal(1)), (0.1, Decimal("0.1")), ("2", Decimal(2)), (None, None), ("?", None)]
)
def test_points_are_exact(raw: object, points: Decimal | None) -> None:
    assert make_work(paidPoint=raw).paid_points == points


def test_ids_are_texts_whether_they_come_as_numbers_or_texts() -> None:
    assert (make_work().id, make_work().id_project) == ("521461135", "249807732")
    assert make_work(id="521461135").id == "521461135"


def test_a_callbacks_body_is_a_status_row() -> None:
    raw = b'{"id":521461135,"processStatus":1,"processProgress":100.0,"videoUrl":"https://cdn.test/r.mp4","errorDetail":""}'
    found = WorkStatus.model_validate_json(raw)
    assert (found.is_done, found.result_url, found.id_project) == (True, "https://cdn.test/r.mp4", None)


@pytest.mark.parametrize("link", [None, "", 5])
def test_no_result_link_is_none(link: object) -> None:
    assert make_work(videoUrl=link).result_url is None


def test_links_show_in_no_repr() -> None:
    found = make_work(videoUrl=f"https://cdn.test/r.mp4?t={TOKEN}")
    assert repr(found) == "WorkStatus(id='521461135', process_status=0)"
    assert TOKEN not in f"{found} {found!r}"
