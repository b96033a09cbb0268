"""A client's options for a lecture. Prefect generates its form from these titles and descriptions."""

from typing import Annotated, Literal

from pydantic import Field

from videojobs.requests.models import (
    LANGUAGE_PATTERN,
    Fraction,
    FrozenModel,
    Label,
    Number,
    SizeFraction,
    form_position,
)

EngineName = Literal["auto", "faster-whisper", "pocketsphinx"]
WithoutSpeech = Literal["fail", "continue"]
PageSize = Literal["A4", "Letter"]
Orientation = Literal["portrait", "landscape"]
Language = Annotated[str, Field(pattern=LANGUAGE_PATTERN)]


class SpeechOptions(FrozenModel):
    """How the speech is recognised."""

    language: Language | None = Field(
        default=None,
        title="Spoken language",
        description="Two letters: en, de, zh. Leave it out to detect it. pocketsphinx recognises English only.",
        json_schema_extra=form_position(0),
    )
    engine: EngineName = Field(
        default="auto",
        title="Speech recognition",
        description="auto: faster-whisper if the operator has set a model, else the built-in pocketsphinx, which is "
        "faster and less accurate.",
        json_schema_extra=form_position(1),
    )
    without_speech: WithoutSpeech = Field(
        default="fail",
        title="Without speech recognition",
        description="What to do if it is unavailable, or the video has no audio track. fail: the job fails with the "
        "reason. continue: the PDF has no text, and there are no subtitles.",
        json_schema_extra=form_position(2),
    )


class SubtitleOptions(FrozenModel):
    """How the subtitles read. The defaults are what broadcasters use."""

    line_length: int = Field(
        default=42,
        ge=16,
        le=100,
        title="Characters per line",
        description="The maximum. A Chinese, Japanese or Korean character counts as two.",
        json_schema_extra=form_position(0),
    )
    lines: int = Field(
        default=2,
        ge=1,
        le=4,
        title="Lines per subtitle",
        description="The maximum number of lines shown at the same time.",
        json_schema_extra=form_position(1),
    )
    longest_seconds: Number = Field(
        default=6.0,
        ge=1,
        le=20,
        title="Maximum duration (s)",
        description="The longest time that a subtitle is shown.",
        json_schema_extra=form_position(2),
    )
    shortest_seconds: Number = Field(
        default=1.0,
        ge=0,
        le=5,
        title="Minimum duration (s)",
        description="The shortest time that a subtitle is shown, unless the next one begins earlier.",
        json_schema_extra=form_position(3),
    )
    reading_speed: Number = Field(
        default=17.0,
        ge=5,
        le=60,
        title="Reading speed (characters per second)",
        description="A subtitle stays until it can be read at this speed, unless the next one begins earlier.",
        json_schema_extra=form_position(4),
    )
    gap_seconds: Number = Field(
        default=0.08,
        ge=0,
        le=1,
        title="Gap (s)",
        description="The pause between two subtitles, which makes the change visible. Two frames are 0.08 s.",
        json_schema_extra=form_position(5),
    )


class Mask(FrozenModel):
    """A rectangle to ignore: the lecturer's camera, captions, a clock.

    Fractions of the picture, origin at the top left; clipped to the picture.
    """

    x: Fraction = Field(
        title="Left edge",
        description="Distance from the left, as a fraction of the picture's width: 0 is the left edge, 0.5 the middle.",
        json_schema_extra=form_position(0),
    )
    y: Fraction = Field(
        title="Top edge",
        description="Distance from the top, as a fraction of the picture's height: 0 is the top, 0.5 the middle.",
        json_schema_extra=form_position(1),
    )
    w: SizeFraction = Field(
        title="Width",
        description="Width as a fraction of the picture's width.",
        json_schema_extra=form_position(2),
    )
    h: SizeFraction = Field(
        title="Height",
        description="Height as a fraction of the picture's height.",
        json_schema_extra=form_position(3),
    )


class SlideOptions(FrozenModel):
    """What counts as a slide."""

    sensitivity: Number = Field(
        default=0.8,
        ge=0.05,
        le=0.98,
        title="Sensitivity",
        description="0.8: a new slide begins when 20 % of the old one's content is gone. Higher values detect "
        "smaller changes. Added content never begins a new slide. The video's resolution does not matter.",
        json_schema_extra=form_position(0),
    )
    stability_seconds: Number = Field(
        default=0.6,
        ge=0.2,
        le=10,
        title="Stable for (s)",
        description="A slide is captured once nothing has moved for this time, so that animations have ended.",
        json_schema_extra=form_position(1),
    )
    min_seconds: Number = Field(
        default=1.5,
        ge=0.2,
        le=120,
        title="Minimum slide duration (s)",
        description="Content shown for a shorter time is ignored, such as slides that are skipped through.",
        json_schema_extra=form_position(2),
    )
    masks: list[Mask] = Field(
        default=[],
        max_length=50,
        title="Regions to ignore",
        description="The lecturer's camera, captions, a clock. Changes there do not begin a slide.",
        json_schema_extra=form_position(3),
    )


class PdfOptions(FrozenModel):
    """How the pages of the PDF look."""

    title: Label | None = Field(
        default=None,
        title="Title",
        description="The document's title. By default, the job's name.",
        json_schema_extra=form_position(0),
    )
    page_size: PageSize = Field(
        default="A4",
        title="Page",
        description="The size of the pages.",
        json_schema_extra=form_position(1),
    )
    orientation: Orientation = Field(
        default="portrait",
        title="Orientation",
        description="portrait leaves the most space for text below a slide.",
        json_schema_extra=form_position(2),
    )
    with_text: bool = Field(
        default=True,
        title="Spoken text",
        description="Print the spoken text with times below each slide. Without it, a slide fills its page.",
        json_schema_extra=form_position(3),
    )
    font_size: Number = Field(
        default=10.0,
        ge=6,
        le=24,
        title="Font size (points)",
        description="A point is 0.35 mm. Long text continues on further pages.",
        json_schema_extra=form_position(4),
    )
    picture_quality: int = Field(
        default=80,
        ge=30,
        le=95,
        title="Picture quality",
        description="JPEG quality, up to 100. Lower values make a smaller PDF; the PNG files do not change.",
        json_schema_extra=form_position(5),
    )


class LectureOptions(FrozenModel):
    """All options of a lecture. The defaults are right for most."""

    speech: SpeechOptions = Field(
        default=SpeechOptions(),
        title="Speech",
        description="How the speech is recognised.",
        json_schema_extra=form_position(0),
    )
    subtitles: SubtitleOptions = Field(
        default=SubtitleOptions(),
        title="Subtitles",
        description="How the subtitles read. The defaults are what broadcasters use.",
        json_schema_extra=form_position(1),
    )
    slides: SlideOptions = Field(
        default=SlideOptions(),
        title="Slides",
        description="What counts as a slide, and which regions to ignore.",
        json_schema_extra=form_position(2),
    )
    pdf: PdfOptions = Field(
        default=PdfOptions(),
        title="PDF",
        description="How the pages of the PDF look.",
        json_schema_extra=form_position(3),
    )
