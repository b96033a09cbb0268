"""A client's options for a lecture. Prefect generates its form from these titles and descriptions."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from videojobs.requests.models import LANGUAGE_PATTERN, Fraction, Label, Number, SizeFraction

EngineName = Literal["auto", "faster-whisper", "pocketsphinx"]
WithoutSpeech = Literal["fail", "continue"]
PageSize = Literal["A4", "Letter"]
Orientation = Literal["portrait", "landscape"]
Language = Annotated[str, Field(pattern=LANGUAGE_PATTERN)]


class _FrozenModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _form_position(position: int) -> dict[str, Any]:
    """The field's position in Prefect's form."""
    return {"position": position}


class SpeechOptions(_FrozenModel):
    """How the speech is recognised."""

    language: Language | None = Field(
        default=None,
        title="Spoken language",
        description="Two letters: en, de, zh. Leave it off to have it detected; pocketsphinx knows English only.",
        json_schema_extra=_form_position(0),
    )
    engine: EngineName = Field(
        default="auto",
        title="Speech recognition",
        description="auto: faster-whisper where the operator has set a model, else the built-in pocketsphinx, "
        "which is quick and makes more mistakes.",
        json_schema_extra=_form_position(1),
    )
    without_speech: WithoutSpeech = Field(
        default="fail",
        title="Without speech recognition",
        description="When it is unavailable, or the video has no sound track. fail: the job fails and says why. "
        "continue: the PDF is made without text, and there are no subtitles.",
        json_schema_extra=_form_position(2),
    )


class SubtitleOptions(_FrozenModel):
    """How the subtitles read. The defaults are what broadcasters use."""

    line_length: int = Field(
        default=42,
        ge=16,
        le=100,
        title="Characters on a line",
        description="At most. A Chinese, Japanese or Korean character counts as two.",
        json_schema_extra=_form_position(0),
    )
    lines: int = Field(
        default=2,
        ge=1,
        le=4,
        title="Lines at once",
        description="At most so many lines are shown at the same time.",
        json_schema_extra=_form_position(1),
    )
    longest_seconds: Number = Field(
        default=6.0,
        ge=1,
        le=20,
        title="Longest (s)",
        description="A subtitle is shown for at most so many seconds.",
        json_schema_extra=_form_position(2),
    )
    shortest_seconds: Number = Field(
        default=1.0,
        ge=0,
        le=5,
        title="Shortest (s)",
        description="A subtitle is shown for at least so many seconds, where the next one leaves room.",
        json_schema_extra=_form_position(3),
    )
    reading_speed: Number = Field(
        default=17.0,
        ge=5,
        le=60,
        title="Reading speed (characters a second)",
        description="A subtitle stays longer until it can be read at this speed, where the next one leaves room.",
        json_schema_extra=_form_position(4),
    )
    gap_seconds: Number = Field(
        default=0.08,
        ge=0,
        le=1,
        title="Gap (s)",
        description="Between two subtitles, so that the eye sees the change. Two frames are 0.08 s.",
        json_schema_extra=_form_position(5),
    )


class Mask(_FrozenModel):
    """A rectangle to ignore: the lecturer's camera, captions, a clock.

    Fractions of the picture, origin at the top left; clipped to the picture.
    """

    x: Fraction = Field(
        title="Left edge",
        description="Distance from the left, as a fraction of the picture's width: 0 is the left edge, 0.5 the middle.",
        json_schema_extra=_form_position(0),
    )
    y: Fraction = Field(
        title="Top edge",
        description="Distance from the top, as a fraction of the picture's height: 0 is the top, 0.5 the middle.",
        json_schema_extra=_form_position(1),
    )
    w: SizeFraction = Field(
        title="Width",
        description="Width as a fraction of the picture's width.",
        json_schema_extra=_form_position(2),
    )
    h: SizeFraction = Field(
        title="Height",
        description="Height as a fraction of the picture's height.",
        json_schema_extra=_form_position(3),
    )


class SlideOptions(_FrozenModel):
    """What counts as a slide."""

    sensitivity: Number = Field(
        default=0.8,
        ge=0.05,
        le=0.98,
        title="Sensitivity",
        description="0.8: a new slide begins when 20 % of what was on the old one is gone. Higher finds smaller "
        "changes. What only adds to a slide never makes a new one. The size of the picture does not matter.",
        json_schema_extra=_form_position(0),
    )
    stability_seconds: Number = Field(
        default=0.6,
        ge=0.2,
        le=10,
        title="Stable for (s)",
        description="A picture is taken once nothing has moved for so long: animations have ended then.",
        json_schema_extra=_form_position(1),
    )
    min_seconds: Number = Field(
        default=1.5,
        ge=0.2,
        le=120,
        title="Shortest slide (s)",
        description="What is shown for a shorter time is passed over: leafing through slides, say.",
        json_schema_extra=_form_position(2),
    )
    masks: list[Mask] = Field(
        default=[],
        max_length=50,
        title="Regions that do not count",
        description="The lecturer's camera, captions, a clock: what moves there makes no slide.",
        json_schema_extra=_form_position(3),
    )


class PdfOptions(_FrozenModel):
    """How the pages of the PDF look."""

    title: Label | None = Field(
        default=None,
        title="Title",
        description="The document's title. Without one it is the job's name.",
        json_schema_extra=_form_position(0),
    )
    page_size: PageSize = Field(
        default="A4",
        title="Page",
        description="The size of the pages.",
        json_schema_extra=_form_position(1),
    )
    orientation: Orientation = Field(
        default="portrait",
        title="Orientation",
        description="portrait leaves the most room for text below a slide.",
        json_schema_extra=_form_position(2),
    )
    with_text: bool = Field(
        default=True,
        title="Spoken text",
        description="Below each slide stands what was said, with times. Without it a slide fills its page.",
        json_schema_extra=_form_position(3),
    )
    font_size: Number = Field(
        default=10.0,
        ge=6,
        le=24,
        title="Size of the text (points)",
        description="A point is 0.35 mm. Long text goes on on further pages.",
        json_schema_extra=_form_position(4),
    )
    picture_quality: int = Field(
        default=80,
        ge=30,
        le=95,
        title="Quality of the pictures",
        description="Of JPEG's 100. Lower makes a smaller file; the PNG files are not touched by it.",
        json_schema_extra=_form_position(5),
    )


class LectureOptions(_FrozenModel):
    """All options of a lecture. The defaults are right for most."""

    speech: SpeechOptions = Field(
        default=SpeechOptions(),
        title="Speech",
        description="How the speech is recognised.",
        json_schema_extra=_form_position(0),
    )
    subtitles: SubtitleOptions = Field(
        default=SubtitleOptions(),
        title="Subtitles",
        description="How the subtitles read. The defaults are what broadcasters use.",
        json_schema_extra=_form_position(1),
    )
    slides: SlideOptions = Field(
        default=SlideOptions(),
        title="Slides",
        description="What counts as a slide, and which regions do not count.",
        json_schema_extra=_form_position(2),
    )
    pdf: PdfOptions = Field(
        default=PdfOptions(),
        title="PDF",
        description="How the pages of the PDF look.",
        json_schema_extra=_form_position(3),
    )
