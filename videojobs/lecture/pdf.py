"""The PDF: each slide on a page of its own, what was said below it, and bookmarks."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Final

import cv2
import numpy as np
from fpdf import FPDF, XPos, YPos

from videojobs.lecture.fonts import REPLACEMENT, Font, fonts, missing
from videojobs.lecture.models import Deck, Document, Slide, Transcript
from videojobs.lecture.options import PdfOptions
from videojobs.lecture.paragraphs import Paragraph, paragraphs, spoken
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.work import Progress, go_on, ignored

FILE: Final = "lecture.pdf"
MARGIN: Final = 14.0  # millimetres; printers leave 5, and a hole punch takes 12
HEAD: Final = 8.0  # millimetres for the line above the slide
FOOT: Final = 12.0  # millimetres for the page's number
GAP: Final = 4.0  # millimetres between the slide and its text
PICTURE_SHARE: Final = 0.55  # of the page's height at most, where text stands below
_POINT: Final = 25.4 / 72  # millimetres
_LEADING: Final = 1.4  # heights of the letters from line to line
_GRAY: Final = 110
_INK: Final = 20
_SMALL: Final = 8.5  # points
_TIMES: Final = 5  # that fit above a slide; all are in the JSON
_TITLE: Final = 80  # characters of the title at the foot of each page


class _Pages(FPDF):
    """Pages with a head that names the slide, also on those where its text goes on."""

    def __init__(self, options: PdfOptions, having: Sequence[Font]) -> None:
        super().__init__(orientation=options.orientation, format=options.page_size)
        self.running_title, self.head, self.is_first = "", "", True
        self.c_margin = 0  # text begins where the picture does
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(True, MARGIN + FOOT)
        for font in having:
            self.add_font(font.family, fname=font.path)
        self.set_fallback_fonts([font.family for font in having[1:]], exact_match=False)
        self.set_text_shaping(True)

    def header(self) -> None:
        self.small()
        text = self.head if self.is_first else f"{self.head}  (continued)"
        self.cell(0, HEAD, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.normal()

    def footer(self) -> None:
        self.set_y(-MARGIN - FOOT / 2)
        self.small()
        self.cell(0, FOOT / 2, self.running_title, new_x=XPos.LMARGIN, new_y=YPos.TOP)
        self.cell(0, FOOT / 2, str(self.page_no()), align="R")

    def small(self) -> None:
        self.set_font("font0", size=_SMALL)
        self.set_text_color(_GRAY)

    def normal(self) -> None:
        self.set_text_color(_INK)


def write_pdf(
    deck: Deck,
    transcript: Transcript,
    options: PdfOptions,
    settings: LectureSettings,
    folder: Path,
    *,
    title: str = "",
    on_progress: Progress = ignored,
    stop: Event | None = None,
) -> Document:
    """`lecture.pdf` from the slides' pictures in the same folder. Raises ConfigurationError for a bad font, Stopped.

    `title` counts where the options have none. Characters that no font has are replaced and reported.
    """
    texts = spoken(deck, transcript.words) if options.with_text else {}
    title = options.title or title
    having = fonts(settings.fonts)
    lacking = missing([title, transcript.text if options.with_text else ""], having)
    clean = _cleaner(lacking)
    pages = _Pages(options, having)
    _describe(pages, title, transcript.language)
    pages.running_title = _cut(clean(title))
    for slide in deck.slides:
        go_on(stop or Event())
        _add_slide(pages, slide, folder, options)
        _add_text(pages, texts.get(slide.number, []), clean, options)
        on_progress(slide.number / len(deck.slides))
    if not deck.slides:
        pages.head = "No slides were found"
        pages.add_page()
        _add_text(pages, list(paragraphs(transcript.words)) if options.with_text else [], clean, options)
    part = folder / f"{FILE}.part"
    pages.output(str(part))
    part.replace(folder / FILE)
    return Document(file=FILE, pages=pages.pages_count, size=(folder / FILE).stat().st_size, missing=lacking)


def _cut(title: str) -> str:
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"


def clock(seconds: float) -> str:
    """`2:05`, `1:02:05`: as players show it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _cleaner(lacking: Sequence[str]) -> Callable[[str], str]:
    table = str.maketrans(dict.fromkeys(lacking, REPLACEMENT))
    return lambda text: text.translate(table)


def _describe(pages: _Pages, title: str, language: str | None) -> None:
    pages.set_title(title or "Lecture")
    pages.set_creator("videojobs")
    pages.set_display_mode("fullpage")
    if language:
        pages.set_lang(language)


def _add_slide(pages: _Pages, slide: Slide, folder: Path, options: PdfOptions) -> None:
    """Its page with the head, the bookmark and the whole picture, as large as there is room."""
    times = [f"{clock(span.start)}–{clock(span.end)}" for span in slide.spans]
    more = f" and {len(times) - _TIMES} more times" if len(times) > _TIMES else ""
    pages.head, pages.is_first = f"{slide.number}   {', '.join(times[:_TIMES])}{more}", True
    pages.add_page()
    pages.is_first = False
    pages.start_section(f"{slide.number} · {clock(slide.start)}")
    share = PICTURE_SHARE if options.with_text else 1.0
    top = pages.get_y()
    most = min(share * pages.h, pages.h - pages.b_margin - top)
    picture = np.asarray(cv2.imread(str(folder / slide.picture)), np.uint8)
    height, width = picture.shape[:2]
    scale = min(pages.epw / width, most / height)
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, options.picture_quality])
    left = MARGIN + (pages.epw - width * scale) / 2
    pages.image(io.BytesIO(jpeg.tobytes()), x=left, y=top, w=width * scale, h=height * scale)
    pages.set_y(top + height * scale + GAP)


def _add_text(pages: _Pages, text: Sequence[Paragraph], clean: Callable[[str], str], options: PdfOptions) -> None:
    stamp, line = _SMALL * _POINT * _LEADING, options.font_size * _POINT * _LEADING
    for paragraph in text:
        if pages.will_page_break(stamp + line):  # a time does not stand at the foot of a page without its text
            pages.add_page()
        pages.small()
        pages.cell(0, stamp, clock(paragraph.start), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pages.set_font("font0", size=options.font_size)
        pages.normal()
        pages.multi_cell(0, line, clean(paragraph.text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pages.ln(line / 2)
