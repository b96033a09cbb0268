"""Writes the PDF: each slide on its own page with its spoken text, and bookmarks."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Final

import cv2
import numpy as np
from fpdf import FPDF, XPos, YPos

from videojobs.lecture.fonts import Font, load_fonts, missing_glyphs, replacement_table
from videojobs.lecture.models import PdfDocument, Slide, SlideDeck, Transcript
from videojobs.lecture.options import PdfOptions
from videojobs.lecture.paragraphs import Paragraph, paragraphs_by_slide, split_paragraphs
from videojobs.lecture.progress import ProgressCallback, no_progress, raise_if_cancelled
from videojobs.lecture.settings import LectureSettings

PDF_FILE: Final = "lecture.pdf"
MARGIN: Final = 14.0  # millimetres; printers leave 5, and a hole punch takes 12
HEADER_HEIGHT: Final = 8.0  # millimetres for the line above the slide
FOOTER_HEIGHT: Final = 12.0  # millimetres for the page number
TEXT_GAP: Final = 4.0  # millimetres between the slide and its text
MAX_PICTURE_RATIO: Final = 0.55  # of the page's height, if there is text below
_POINT_MM: Final = 25.4 / 72  # millimetres
_LINE_SPACING: Final = 1.4  # line spacing in font sizes
_SECONDARY_GRAY: Final = 110
_TEXT_GRAY: Final = 20
_SMALL_FONT_SIZE: Final = 8.5  # points
_MAX_TIMES_SHOWN: Final = 5  # more do not fit above a slide; the JSON has all
_MAX_TITLE_CHARS: Final = 80  # of the title in the footer


class _SlideDocument(FPDF):
    """Pages with a header that names the slide, also on continuation pages."""

    def __init__(self, options: PdfOptions, available_fonts: Sequence[Font]) -> None:
        super().__init__(orientation=options.orientation, format=options.page_size)
        self.running_title, self.page_heading, self.is_first_page = "", "", True
        self.c_margin = 0  # aligns the text with the picture
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(True, MARGIN + FOOTER_HEIGHT)
        for font in available_fonts:
            self.add_font(font.family, fname=font.path)
        self.set_fallback_fonts([font.family for font in available_fonts[1:]], exact_match=False)
        self.set_text_shaping(True)

    def header(self) -> None:
        self.use_small_font()
        text = self.page_heading if self.is_first_page else f"{self.page_heading}  (continued)"
        self.cell(0, HEADER_HEIGHT, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.use_text_color()

    def footer(self) -> None:
        self.set_y(-MARGIN - FOOTER_HEIGHT / 2)
        self.use_small_font()
        self.cell(0, FOOTER_HEIGHT / 2, self.running_title, new_x=XPos.LMARGIN, new_y=YPos.TOP)
        self.cell(0, FOOTER_HEIGHT / 2, str(self.page_no()), align="R")

    def use_small_font(self) -> None:
        self.set_font("font0", size=_SMALL_FONT_SIZE)
        self.set_text_color(_SECONDARY_GRAY)

    def use_text_color(self) -> None:
        self.set_text_color(_TEXT_GRAY)


def write_pdf(
    deck: SlideDeck,
    transcript: Transcript,
    options: PdfOptions,
    settings: LectureSettings,
    folder: Path,
    *,
    title: str = "",
    on_progress: ProgressCallback = no_progress,
    stop: Event | None = None,
) -> PdfDocument:
    """Write `lecture.pdf` into `folder`, which contains the slides' pictures.

    `title` is used if the options have none. Characters that no font has are replaced and reported. Raises
    ConfigurationError for an unusable font, and WorkCancelled.
    """
    texts = paragraphs_by_slide(deck, transcript.words) if options.with_text else {}
    title = options.title or title
    available_fonts = load_fonts(settings.fonts)
    printed_texts = [title, transcript.text if options.with_text else ""]
    clean = _glyph_replacer(replacement_table(printed_texts, available_fonts))
    pages = _SlideDocument(options, available_fonts)
    _set_metadata(pages, title, transcript.language)
    pages.running_title = _truncate_title(clean(title))
    for slide in deck.slides:
        raise_if_cancelled(stop or Event())
        _add_slide(pages, slide, folder, options)
        _add_text(pages, texts.get(slide.number, []), clean, options)
        on_progress(slide.number / len(deck.slides))
    if not deck.slides:
        pages.page_heading = "No slides were found"
        pages.add_page()
        _add_text(pages, list(split_paragraphs(transcript.words)) if options.with_text else [], clean, options)
    part = folder / f"{PDF_FILE}.part"
    pages.output(str(part))
    part.replace(folder / PDF_FILE)
    return PdfDocument(
        file=PDF_FILE,
        pages=pages.pages_count,
        size=(folder / PDF_FILE).stat().st_size,
        missing=missing_glyphs(printed_texts, available_fonts),
    )


def _truncate_title(title: str) -> str:
    return title if len(title) <= _MAX_TITLE_CHARS else f"{title[: _MAX_TITLE_CHARS - 1]}…"


def format_timestamp(seconds: float) -> str:
    """`2:05`, `1:02:05`: as in players."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _glyph_replacer(table: Mapping[int, str | None]) -> Callable[[str], str]:
    return lambda text: text.translate(table)


def _set_metadata(pages: _SlideDocument, title: str, language: str | None) -> None:
    pages.set_title(title or "Lecture")
    pages.set_creator("videojobs")
    pages.set_display_mode("fullpage")
    if language:
        pages.set_lang(language)


def _add_slide(pages: _SlideDocument, slide: Slide, folder: Path, options: PdfOptions) -> None:
    """Add the slide's page: header, bookmark, and the whole picture as large as fits."""
    times = [f"{format_timestamp(span.start)}–{format_timestamp(span.end)}" for span in slide.spans]
    more = f" and {len(times) - _MAX_TIMES_SHOWN} more times" if len(times) > _MAX_TIMES_SHOWN else ""
    pages.page_heading, pages.is_first_page = f"{slide.number}   {', '.join(times[:_MAX_TIMES_SHOWN])}{more}", True
    pages.add_page()
    pages.is_first_page = False
    pages.start_section(f"{slide.number} · {format_timestamp(slide.start)}")
    share = MAX_PICTURE_RATIO if options.with_text else 1.0
    top = pages.get_y()
    max_height = min(share * pages.h, pages.h - pages.b_margin - top)
    picture = np.asarray(cv2.imread(str(folder / slide.picture)), np.uint8)
    height, width = picture.shape[:2]
    scale = min(pages.epw / width, max_height / height)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, options.picture_quality])
    left = MARGIN + (pages.epw - width * scale) / 2
    pages.image(io.BytesIO(jpeg.tobytes()), x=left, y=top, w=width * scale, h=height * scale)
    pages.set_y(top + height * scale + TEXT_GAP)


def _add_text(
    pages: _SlideDocument, text: Sequence[Paragraph], clean: Callable[[str], str], options: PdfOptions
) -> None:
    stamp, line = _SMALL_FONT_SIZE * _POINT_MM * _LINE_SPACING, options.font_size * _POINT_MM * _LINE_SPACING
    for paragraph in text:
        if pages.will_page_break(stamp + line):  # keep a timestamp and its text on one page
            pages.add_page()
        pages.use_small_font()
        pages.cell(0, stamp, format_timestamp(paragraph.start), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pages.set_font("font0", size=options.font_size)
        pages.use_text_color()
        pages.multi_cell(0, line, clean(paragraph.text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pages.ln(line / 2)
