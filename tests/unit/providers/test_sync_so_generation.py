"""The fields of a Sync.so generation."""

from datetime import UTC, datetime
from typing import Any

import pytest

from videojobs.providers.sync_so.schemas import Generation

TOKEN = "token-never-shown"
# The vendor's response to a create: every unset field is an explicit null.
NEW_GENERATION: dict[str, Any] = {
    "id": "6f1c2a9e-0000-4000-8000-000000000001",
    "createdAt": "2026-11-20T10:00:00.000Z",
    "status": "PENDING",
    "model": "lipsync-2",
    "input": [{"type": "video", "url": f"https://s3.test/v.mp4?X-Amz-Signature={TOKEN}"}],
    "options": {"sync_mode": "remap"},
    "segments": None,
    "webhookUrl": None,
    "outputUrl": None,
    "outputMediaUrl": None,
    "outputDuration": None,
    "error": None,
    "errorCode": None,
}


def make_generation(**fields: object) -> Generation:
    return Generation.model_validate(NEW_GENERATION | fields)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": "PENDING"}, "running"),
        ({"status": "PROCESSING"}, "running"),
        ({"status": "PROCESSING", "error": "a passing warning"}, "running"),
        ({"status": "COMPLETED"}, "done"),
        ({"status": "completed"}, "done"),
        ({"status": "FAILED"}, "failed"),
        ({"status": "REJECTED"}, "failed"),
        ({"status": "TIMED_OUT"}, "running"),
        ({"status": "TIMED_OUT", "error": "took too long"}, "failed"),
        ({"status": "CANCELED", "error_code": "generation_timeout"}, "failed"),
        ({"status": "SOMETHING_NEW"}, "running"),
        ({"status": None}, "running"),
    ],
)
def test_a_generation_is_in_exactly_one_state(fields: dict[str, object], state: str) -> None:
    found = make_generation(**fields)
    states = {"running": found.is_running, "done": found.is_done, "failed": found.is_failed}
    assert [name for name, holds in states.items() if holds] == [state]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"status": "FAILED", "error": "The face was lost", "errorCode": "generation_pipeline_failed"},
            "The face was lost (generation_pipeline_failed)",
        ),
        ({"status": "FAILED", "error": "x", "errorCode": None, "error_code": "from_webhook"}, "x (from_webhook)"),
        ({"status": "FAILED", "errorCode": "internal_error"}, "ended as FAILED without a reason (internal_error)"),
        (
            {"status": "FAILED", "error": f"no access to https://s3.test/k?sig={TOKEN}"},
            "no access to https://s3.test/k",
        ),
        ({"status": "FAILED", "error": {"message": "inner"}}, "inner"),
        ({"status": "REJECTED"}, "rejected before it ran (moderation or plan limits)"),
        ({"status": "COMPLETED", "error": "left over"}, ""),
        ({"status": "PROCESSING"}, ""),
    ],
)
def test_a_failure_says_why(fields: dict[str, object], text: str) -> None:
    assert make_generation(**fields).failure_text == text


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, None),
        ({"outputUrl": "https://old.test"}, "https://old.test"),
        ({"outputMediaUrl": "https://new.test", "outputUrl": "https://old.test"}, "https://new.test"),
        ({"outputUrl": ""}, None),
    ],
)
def test_the_result_link_is_found_under_either_name(fields: dict[str, object], url: str | None) -> None:
    assert make_generation(**fields).result_url == url


@pytest.mark.parametrize(
    ("raw", "percent"), [(42, 42.0), ("42.5", 42.5), (130, 100.0), (-1, 0.0), (None, None), ("half", None)]
)
def test_the_progress_is_a_percentage_or_none(raw: object, percent: float | None) -> None:
    assert make_generation(progress_percent=raw).progress_percent == percent


def test_only_the_id_is_demanded_and_may_be_a_number() -> None:
    assert Generation.model_validate({"id": 4711}).id == "4711"


@pytest.mark.parametrize("id_", [None, "", "  ", True, 1.5, {}])
def test_a_generation_without_a_usable_id_is_none(id_: object) -> None:
    with pytest.raises(ValueError, match="id"):
        Generation.model_validate({"id": id_})


def test_optional_fields_of_unexpected_types_read_as_none() -> None:
    odd = make_generation(createdAt="yesterday", input="?", outputDuration="long", outputUrl=5, webhookUrl=[])
    assert (odd.created_at, odd.input, odd.output_duration, odd.result_url, odd.webhook_url) == (None,) * 5


def test_the_fields_that_find_a_lost_submission_are_kept() -> None:
    found = make_generation(webhookUrl="https://hook.test/?job=1", outputFileName="job-1")
    assert (found.webhook_url, found.output_file_name) == ("https://hook.test/?job=1", "job-1")
    assert found.created_at == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_the_record_has_the_vendors_names_and_unknown_fields() -> None:
    record = make_generation(outputUrl="https://x.test", brandNew=[1]).model_dump(mode="json", exclude_none=True)
    assert record["outputUrl"] == "https://x.test"
    assert record["brandNew"] == [1]
    assert record["options"] == {"sync_mode": "remap"}


def test_links_show_in_no_repr() -> None:
    done = make_generation(status="COMPLETED", outputUrl=f"https://x.test/result?token={TOKEN}")
    assert repr(done) == "Generation(id='6f1c2a9e-0000-4000-8000-000000000001', status='COMPLETED', code=None)"
    assert TOKEN not in f"{done} {done!r}"
