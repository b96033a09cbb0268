"""What a failed job says, and what it still offers (M7)."""

from typing import Any, Final

import pytest

from tasks.runtime.failures import failure_details
from tests.support.example_request import make_request
from videojobs.db import VideoJob
from videojobs.requests.models import to_canonical_json
from videojobs.states import RecoveryPoint

NO_SPEECH: Final[dict[str, Any]] = {"audio": [], "segments": []}
FALLBACK: Final = "s3://bucket/users/ada/jobs/job-1/pro_sync_result_job-1.mp4"


class UriOnlyStore:
    def uri(self, key: str) -> str:
        return f"s3://bucket/{key}"


@pytest.mark.parametrize(
    ("changes", "point", "message", "fallback"),
    [
        ({}, RecoveryPoint.LIP_SYNC_SUBMITTED, "status 20", None),
        ({}, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, "Text inpainting failed: status 20", FALLBACK),
        ({"effects": []}, RecoveryPoint.LIP_SYNC_STORED, "status 20", None),
        (NO_SPEECH, RecoveryPoint.OPENED, "status 20", None),
        (NO_SPEECH, RecoveryPoint.UPLOADED, "Text inpainting failed: status 20", None),
        (NO_SPEECH, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, "Text inpainting failed: status 20", None),
    ],
)
def test_a_failure_names_the_stage_and_offers_what_there_is(
    changes: dict[str, Any], point: RecoveryPoint, message: str, fallback: str | None
) -> None:
    job = VideoJob(id="job-1", user_id="ada", recovery_point=point, request=to_canonical_json(make_request(**changes)))
    store: Any = UriOnlyStore()
    assert failure_details(job, store, "status 20") == (message, fallback)
