"""A provider that was chosen after the admission of a job checks its own rules, before anything is sent."""

from collections.abc import Mapping, Sequence

import pytest

from tasks.runtime.paid_stage import _build_body
from tests.support.example_request import make_request
from tests.support.measured_facts import audio_facts, video_facts
from videojobs.db import Submission
from videojobs.errors import FieldError, InvalidRequest
from videojobs.pipeline.facts import JobFacts
from videojobs.providers.base import StageInputs
from videojobs.providers.sync_so.provider import SyncSoProvider
from videojobs.requests.models import AnnotationArea, Options

REQUEST = make_request()
INPUTS = StageInputs(
    job_id="job-1",
    request=REQUEST,
    facts=JobFacts(
        video=video_facts(),
        audio={item.refId: audio_facts() for item in REQUEST.audio},
    ),
    video_url="https://media.test/video.mp4",
    audio_urls={item.refId: f"https://media.test/{item.refId}.wav" for item in REQUEST.audio},
)


class StrictProvider(SyncSoProvider):
    def validate(
        self, options: Options, areas: Mapping[int, AnnotationArea], *, whole_frame: bool
    ) -> Sequence[FieldError]:
        return [FieldError(f"effects[{index}]", "is not offered") for index in areas]


def test_a_new_submission_obeys_the_rules_of_its_provider() -> None:
    with pytest.raises(InvalidRequest, match=r"effects\[0\]: is not offered"):
        _build_body(StrictProvider(), INPUTS, Submission(callback_token="t"))
    assert b"video.mp4" in _build_body(SyncSoProvider(), INPUTS, Submission(callback_token="t"))
