"""What the steps of a lecture hand on. Everything goes through JSON and back. Times are seconds from its start."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

SpeechOutcome = Literal["heard", "silent", "no_sound", "unavailable"]
"""`heard`: there are words. `silent`: listened to the end, and nothing was understood. `no_sound`: no sound track.
`unavailable`: nobody listened, because there is no speech recognition as it was asked for."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LectureInfo(_FrozenModel):
    """What is known of the video before work begins."""

    duration: float
    width: int
    height: int
    """Pixels as displayed."""
    frame_rate: float
    has_sound: bool
    container: str
    size: int
    """Bytes."""


class Span(_FrozenModel):
    """A time in which something is shown."""

    start: float
    end: float


class Slide(_FrozenModel):
    """One slide, with every time at which it is shown."""

    number: int
    """From 1, in the order of their first times."""
    spans: list[Span]
    picture: str
    """The name of its PNG file."""

    @property
    def start(self) -> float:
        return self.spans[0].start


class SlideDeck(_FrozenModel):
    """All slides of a lecture: the JSON of times."""

    duration: float
    slides: list[Slide]


class Word(_FrozenModel):
    """One spoken word."""

    text: str
    """With the space before it, where its language writes one: all texts joined are what was said."""
    start: float
    end: float
    probability: float | None = None


class Transcript(_FrozenModel):
    """What was said."""

    outcome: SpeechOutcome
    reason: str | None = None
    """Why there are no words, where nobody listened."""
    engine: str | None = None
    model: str | None = None
    language: str | None = None
    """ISO 639-1, as it was asked for or detected."""
    language_probability: float | None = None
    words: list[Word] = []

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


class SubtitleFiles(_FrozenModel):
    """Which subtitle files were written; none where nobody listened."""

    files: list[str]
    cues: int


class PdfDocument(_FrozenModel):
    """The PDF that was written."""

    file: str
    pages: int
    size: int
    """Bytes."""
    missing: list[str]
    """Characters that no font had; each is shown as a replacement character."""
