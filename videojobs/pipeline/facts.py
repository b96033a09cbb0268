"""What was measured and stored of a job so far: the column `video_jobs.facts`.

Each step records its own facts with the recovery point that it reaches, so a fact is there from that point on. Names of
fields are the keys of the stored JSON.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from videojobs.lecture.models import LectureInfo, PdfDocument, SpeechOutcome, SubtitleFiles
from videojobs.media.facts import AudioFacts, VideoFacts
from videojobs.requests.models import Segment

T = TypeVar("T")


class MissingFact(LookupError):
    """A step needs a fact that the step before did not record: a bug, which says nothing about the job."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class StoredInputs(_FrozenModel):
    """The `s3://` addresses of the input files."""

    video: str
    audio: dict[str, str] = {}
    """By refId."""


class SpeechSummary(_FrozenModel):
    """A transcript without its words."""

    outcome: SpeechOutcome
    reason: str | None = None
    engine: str | None = None
    model: str | None = None
    language: str | None = None
    language_probability: float | None = None
    words: int
    """How many."""


class LectureDocuments(_FrozenModel):
    """The files that were written for a lecture."""

    subtitles: SubtitleFiles
    pdf: PdfDocument


class JobFacts(_FrozenModel):
    """All facts of a job; None or empty: not recorded yet. The properties raise `MissingFact` instead.

    Unknown keys are ignored: a newer version may have written them, and `to_json` is merged into what is stored.
    """

    inputs: StoredInputs | None = None
    video: VideoFacts | None = None
    audio: dict[str, AudioFacts] = {}
    """By refId."""
    lip_sync: VideoFacts | None = None
    sent_segments: list[Segment] | None = None
    """The segments of the paid request. None also in results that are older than this fact."""
    text_removal: VideoFacts | None = None

    lecture: LectureInfo | None = None
    speech: SpeechSummary | None = None
    slides: int | None = None
    documents: LectureDocuments | None = None

    @property
    def stored_inputs(self) -> StoredInputs:
        return _recorded("inputs", self.inputs)

    @property
    def source_video(self) -> VideoFacts:
        return _recorded("video", self.video)

    @property
    def lip_sync_video(self) -> VideoFacts:
        return _recorded("lip_sync", self.lip_sync)

    @property
    def lecture_info(self) -> LectureInfo:
        return _recorded("lecture", self.lecture)

    @property
    def lecture_documents(self) -> LectureDocuments:
        return _recorded("documents", self.documents)

    @property
    def audio_durations(self) -> dict[str, float]:
        """Seconds of each audio file by its refId."""
        return {ref_id: audio.duration for ref_id, audio in self.audio.items()}

    def to_json(self) -> dict[str, Any]:
        """Only what was set here, to be merged into the column."""
        return self.model_dump(mode="json", include=set(self.model_fields_set))


def _recorded(name: str, fact: T | None) -> T:
    if fact is None:
        raise MissingFact(f"the fact `{name}` is not recorded")
    return fact
