"""The PDF as a reader sees it: pages are rendered, text is selected."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import pypdfium2
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from tests.support.sample_lecture import SPEECH_SECONDS, draw_slide
from videojobs.errors import ConfigurationError, WorkCancelled
from videojobs.lecture.models import Slide, SlideDeck, Span, Transcript, Word
from videojobs.lecture.options import PdfOptions
from videojobs.lecture.pdf import format_timestamp, write_pdf
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import write_png
from videojobs.lecture.validation import validate_lecture

DEFAULT_OPTIONS = LectureSettings()
TEXT_BY_LANGUAGE = {
    "English": "The sun heats the sea, and water rises.",
    "German": "Über den Äckern fällt größerer Regen.",
    "Russian": "Вода поднимается в воздух.",
    "Greek": "Το νερό ανεβαίνει στον αέρα.",
    "Polish": "Źródło rzeki płynie żwawo.",
    "Vietnamese": "Nước bốc hơi lên trời.",
}


def words_of(text: str, pace: float = 0.4) -> Transcript:
    words = [Word(text=f" {word}", start=n * pace, end=(n + 0.9) * pace) for n, word in enumerate(text.split())]
    return Transcript(outcome="heard", language="en", words=words)


SILENT_TRANSCRIPT = Transcript(outcome="silent")


def make_deck(folder: Path, count: int = 1, size: tuple[int, int] = (640, 360)) -> SlideDeck:
    slides = []
    for number in range(count):
        name = f"slide-{number + 1:04}.png"
        write_png(folder / name, draw_slide(number % 8, SPEECH_SECONDS, size)[..., ::-1])
        slides.append(Slide(number=number + 1, spans=[Span(start=number * 10, end=number * 10 + 10)], picture=name))
    return SlideDeck(duration=count * 10, slides=slides)


@contextmanager
def open_pdf(folder: Path) -> Iterator[pypdfium2.PdfDocument]:
    document = pypdfium2.PdfDocument(folder / "lecture.pdf")
    try:
        yield document
    finally:
        document.close()


def pdf_text(folder: Path) -> list[str]:
    with open_pdf(folder) as document:
        return [page.get_textpage().get_text_range() for page in document]


def render_page(folder: Path, page: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with open_pdf(folder) as document:
        return np.asarray(document[page].render(scale=2).to_numpy(), np.uint8)


def test_one_page_for_each_slide_with_its_words_and_a_bookmark(
    deck: SlideDeck, transcript: Transcript, pictures: Path
) -> None:
    written = write_pdf(deck, transcript, PdfOptions(), DEFAULT_OPTIONS, pictures, title="Water")
    pages = pdf_text(pictures)
    assert written.pages == len(pages) == len(deck.slides)
    assert "the sun heats the sea" in pages[2]
    assert "0:16–0:22, 0:36–0:42" in pages[3]
    assert "the wind carries them" in pages[3]
    assert "remember the clouds" in pages[3]  # said when the slide was shown again
    with open_pdf(pictures) as document:
        marks = [(mark.get_title(), mark.get_dest().get_index()) for mark in document.get_toc()]
        about = document.get_metadata_dict()
    assert [page for _, page in marks] == list(range(len(pages)))
    assert marks[1][0] == "2 · 0:05"
    assert about["Title"] == "Water"
    assert about["CreationDate"]


@pytest.mark.parametrize("language", TEXT_BY_LANGUAGE)
def test_text_of_many_scripts_can_be_selected(tmp_path: Path, language: str) -> None:
    written = write_pdf(
        make_deck(tmp_path), words_of(TEXT_BY_LANGUAGE[language]), PdfOptions(), DEFAULT_OPTIONS, tmp_path
    )
    assert TEXT_BY_LANGUAGE[language] in " ".join(pdf_text(tmp_path)[0].split())
    assert written.missing == []


def test_letters_that_no_font_has_are_reported_and_replaced(tmp_path: Path) -> None:
    written = write_pdf(
        make_deck(tmp_path), words_of("water is 水 or 雨"), PdfOptions(title="水"), DEFAULT_OPTIONS, tmp_path
    )
    assert written.missing == ["水", "雨"]
    assert "water is � or �" in pdf_text(tmp_path)[0]


@pytest.mark.parametrize("mark", "\u200b\u200d\ufeff\u00ad\u061c\ufe0f", ids=ascii)
def test_invisible_characters_need_no_glyph(tmp_path: Path, mark: str) -> None:
    """U+061C and U+FE0F are not in the bundled font."""
    text = f"rain{mark} falls"
    written = write_pdf(make_deck(tmp_path), words_of(text), PdfOptions(title=text), DEFAULT_OPTIONS, tmp_path)
    assert written.missing == []
    assert "�" not in pdf_text(tmp_path)[0]


def test_a_named_font_brings_its_letters(tmp_path: Path) -> None:
    font = write_box_font(tmp_path / "cjk.ttf", "水雨")
    written = write_pdf(
        make_deck(tmp_path), words_of("water is 水 or 雨"), PdfOptions(), LectureSettings(fonts=(font,)), tmp_path
    )
    assert written.missing == []
    assert "water is 水 or 雨" in pdf_text(tmp_path)[0]


def test_an_invalid_font_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "not.ttf").write_text("no font")
    for name in ("not.ttf", "gone.ttf"):
        settings = LectureSettings(fonts=(tmp_path / name,))
        with pytest.raises(ConfigurationError, match=name):
            write_pdf(make_deck(tmp_path), SILENT_TRANSCRIPT, PdfOptions(), settings, tmp_path)
        with pytest.raises(ConfigurationError, match=name):  # before processing starts
            validate_lecture(tmp_path / "whatever.mp4", settings)


def write_box_font(path: Path, letters: str) -> Path:
    """A font whose glyphs are boxes."""
    pen = TTGlyphPen(None)
    for place, corner in enumerate([(100, 0), (100, 700), (800, 700), (800, 0)]):
        (pen.lineTo if place else pen.moveTo)(corner)
    pen.closePath()
    box, names = pen.glyph(), [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): name for letter, name in zip(letters, names[1:], strict=True)})
    builder.setupGlyf(dict.fromkeys(names, box))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (900, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    builder.setupPost()
    builder.save(str(path))
    return path


def test_long_text_continues_on_more_pages_without_loss(tmp_path: Path) -> None:
    text = " ".join(f"word{number}" for number in range(3000))
    written = write_pdf(make_deck(tmp_path), words_of(text, pace=0.003), PdfOptions(), DEFAULT_OPTIONS, tmp_path)
    pages = pdf_text(tmp_path)
    assert written.pages == len(pages) > 2
    assert [word for word in " ".join(pages).split() if word.startswith("word")] == text.split()
    assert all("(continued)" in page for page in pages[1:])


@pytest.mark.parametrize("size", [(640, 360), (480, 360), (360, 640), (1024, 360)])
@pytest.mark.parametrize(
    "options",
    [
        PdfOptions(),
        PdfOptions(orientation="landscape"),
        PdfOptions(page_size="Letter", with_text=False),
        PdfOptions(orientation="landscape", with_text=False),
    ],
)
def test_a_slide_of_any_shape_fits_its_page(tmp_path: Path, size: tuple[int, int], options: PdfOptions) -> None:
    write_pdf(make_deck(tmp_path, size=size), words_of("hello world"), options, DEFAULT_OPTIONS, tmp_path)
    page = render_page(tmp_path, 0)
    rows, columns = np.nonzero(np.abs(page[..., :3].astype(int) - (110, 60, 30)).max(axis=2) < 25)
    width, height = columns.max() - columns.min() + 1, rows.max() - rows.min() + 1
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)  # both bars reach all four corners
    assert columns.min() > 30
    assert columns.max() < page.shape[1] - 30
    assert ("hello world" in pdf_text(tmp_path)[0]) == options.with_text


def test_the_file_is_small(tmp_path: Path) -> None:
    small = write_pdf(make_deck(tmp_path, 30, (1280, 720)), SILENT_TRANSCRIPT, PdfOptions(), DEFAULT_OPTIONS, tmp_path)
    assert small.size < 30 * 70_000
    worse = write_pdf(
        make_deck(tmp_path, 30, (1280, 720)),
        SILENT_TRANSCRIPT,
        PdfOptions(picture_quality=40),
        DEFAULT_OPTIONS,
        tmp_path,
    )
    assert worse.size < small.size


def test_without_slides_the_text_still_has_its_pages(tmp_path: Path) -> None:
    nothing = SlideDeck(duration=10, slides=[])
    write_pdf(nothing, words_of("hello world"), PdfOptions(), DEFAULT_OPTIONS, tmp_path)
    [page] = pdf_text(tmp_path)
    assert "No slides were found" in page
    assert "hello world" in page


def test_a_stopped_run_leaves_no_half_file(tmp_path: Path) -> None:
    stop = Event()
    with pytest.raises(WorkCancelled):
        write_pdf(
            make_deck(tmp_path, 3),
            SILENT_TRANSCRIPT,
            PdfOptions(),
            DEFAULT_OPTIONS,
            tmp_path,
            on_progress=lambda _s: stop.set(),
            stop=stop,
        )
    assert not list(tmp_path.glob("lecture.pdf*"))


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (36_061, "10:01:01")])
def test_times_are_shown_as_players_do(seconds: float, shown: str) -> None:
    assert format_timestamp(seconds) == shown
