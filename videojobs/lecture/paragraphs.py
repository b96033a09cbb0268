"""The spoken text of each slide, in paragraphs with times."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from videojobs.lecture.cues import MIN_PAUSE, ends_sentence
from videojobs.lecture.models import SlideDeck, Word

TARGET_SECONDS: Final = 20.0  # a paragraph ends with the first sentence after this time
MAX_SECONDS: Final = 45.0  # or here without a sentence end: pocketsphinx writes no full stops


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences; `start` in seconds."""

    start: float
    text: str


def paragraphs_by_slide(deck: SlideDeck, words: Iterable[Word]) -> dict[int, list[Paragraph]]:
    """The paragraphs of each slide, by its number.

    A word belongs to the slide shown at the word's middle; between two slides, to the earlier one; before the first
    slide, to the first. A slide that is shown twice has the words of both intervals.
    """
    shown = sorted((span.start, slide.number) for slide in deck.slides for span in slide.spans)
    starts = [start for start, _ in shown]
    texts: dict[int, list[Paragraph]] = {slide.number: [] for slide in deck.slides}
    by_time: dict[int, list[Word]] = {}
    for word in words:
        by_time.setdefault(max(0, bisect_right(starts, (word.start + word.end) / 2) - 1), []).append(word)
    for index, words_shown in by_time.items():
        if shown:
            texts[shown[index][1]] += split_paragraphs(words_shown)
    return texts


def split_paragraphs(words: Iterable[Word]) -> Iterator[Paragraph]:
    gathered: list[Word] = []
    for word in words:
        if gathered and _is_complete(gathered, word):
            yield _make_paragraph(gathered)
            gathered = []
        gathered.append(word)
    if gathered:
        yield _make_paragraph(gathered)


def _is_complete(gathered: list[Word], word: Word) -> bool:
    seconds = word.start - gathered[0].start
    ended = ends_sentence(gathered[-1]) or word.start - gathered[-1].end >= MIN_PAUSE
    return seconds >= MAX_SECONDS or (ended and seconds >= TARGET_SECONDS)


def _make_paragraph(words: list[Word]) -> Paragraph:
    return Paragraph(words[0].start, "".join(word.text for word in words).strip())
