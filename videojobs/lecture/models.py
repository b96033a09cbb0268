"""Results of a lecture's stages. All survive a round trip through JSON. Times are seconds from the lecture's start."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

SpeechOutcome = Literal["heard", "silent", "no_sound", "unavailable"]
"""`heard`: words were recognised. `silent`: the recognition finished without words. `no_sound`: no sound track.
`unavailable`: the requested speech recognition is not available, so none ran."""


class _FrozenModel(BaseModel):
    """Unknown keys are ignored: another version may have stored them."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class LectureInfo(_FrozenModel):
    """Facts about the video, measured before the processing."""

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
    """A time interval in which a slide is shown."""

    start: float
    end: float


class Slide(_FrozenModel):
    """One slide, with all intervals in which it is shown."""

    number: int
    """From 1, ordered by the first appearance."""
    spans: list[Span]
    picture: str
    """Name of the PNG file."""

    @property
    def start(self) -> float:
        return self.spans[0].start


class SlideDeck(_FrozenModel):
    """All slides of a lecture; also the JSON file with the times."""

    duration: float
    slides: list[Slide]


class Word(_FrozenModel):
    """One spoken word."""

    text: str
    """With its leading space, if the language writes one: joining all texts gives the full text."""
    start: float
    end: float
    probability: float | None = None


class Transcript(_FrozenModel):
    """The recognised speech."""

    outcome: SpeechOutcome
    reason: str | None = None
    """Why no recognition ran."""
    engine: str | None = None
    model: str | None = None
    language: str | None = None
    """ISO 639-1, as requested or detected."""
    language_probability: float | None = None
    words: list[Word] = []

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()


class SubtitleFiles(_FrozenModel):
    """The subtitle files; none if no recognition ran."""

    files: list[str]
    cues: int


class PdfDocument(_FrozenModel):
    """The PDF file."""

    file: str
    pages: int
    size: int
    """Bytes."""
    missing: list[str]
    """Characters that no font has; each is shown as a replacement character."""
