"""Builds readable subtitles from words: short lines, broken at pauses, shown long enough."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from unicodedata import east_asian_width

from videojobs.lecture.models import Word
from videojobs.lecture.options import SubtitleOptions

MIN_PAUSE: Final = 0.8  # seconds of silence that end a subtitle
MIN_BREATH: Final = 0.25  # seconds; the shortest pause at which a full subtitle is split
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "。", "!", "?", "؟", "।")


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle; times in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def build_cues(words: Sequence[Word], options: SubtitleOptions) -> list[Cue]:
    """All subtitles, in order, without overlaps."""
    groups = list(_group_words(words, options))
    starts = [max(0.0, group[0].start) for group in groups]
    next_starts = [*starts, math.inf][1:]
    return [
        _make_cue(group, start, next_start, options)
        for group, start, next_start in zip(groups, starts, next_starts, strict=True)
    ]


def display_width(text: str) -> int:
    """Width in Latin characters; a Chinese, Japanese or Korean character counts twice."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def ends_sentence(word: Word) -> bool:
    return word.text.rstrip("\"'”’»)").endswith(_SENTENCE_ENDS)


def _group_words(words: Sequence[Word], options: SubtitleOptions) -> Iterator[list[Word]]:
    """The words of each subtitle."""
    group: list[Word] = []
    for word in words:
        while group and (_is_complete(group, word) or not _fits([*group, word], options)):
            head, group = _split_cue(group, word)
            yield head
        group.append(word)
    if group:
        yield group


def _is_complete(group: Sequence[Word], word: Word) -> bool:
    return word.start - group[-1].end >= MIN_PAUSE or ends_sentence(group[-1])


def _fits(group: Sequence[Word], options: SubtitleOptions) -> bool:
    if group[-1].end - group[0].start > options.longest_seconds:
        return False
    return len(wrap_lines([word.text for word in group], options.line_length)) <= options.lines


def _split_cue(group: list[Word], word: Word) -> tuple[list[Word], list[Word]]:
    """Split a full subtitle at the longest pause in its second half; the rest begins the next one."""
    if _is_complete(group, word):
        return group, []
    breaths = [(later.start - earlier.end, index) for index, (earlier, later) in enumerate(pairwise(group), 1)]
    late = [breath for breath in breaths if breath[1] >= len(group) / 2]
    length, index = max(late, default=(0.0, len(group)))
    cut = index if length >= MIN_BREATH and word.start - group[-1].end < length else len(group)
    return group[:cut], group[cut:]


def wrap_lines(texts: Sequence[str], max_width: int) -> list[str]:
    """Wrap to as few lines as possible, of similar width, each at most `max_width` wide.

    Breaks only between texts; a text wider than a line gets its own line.
    """
    lines = _fill_lines(texts, max_width)
    if len(lines) == 1:
        return lines
    narrower = (_fill_lines(texts, limit) for limit in range(max(1, max_width // 3), max_width))
    return next((fewer for fewer in narrower if len(fewer) == len(lines)), lines)


def _fill_lines(texts: Sequence[str], max_width: int) -> list[str]:
    lines: list[str] = []
    for text in texts:
        if lines and display_width((lines[-1] + text).strip()) <= max_width:
            lines[-1] += text
        else:
            lines.append(text)
    return [line.strip() for line in lines]


def _make_cue(group: Sequence[Word], start: float, next_start: float, options: SubtitleOptions) -> Cue:
    """The cue is shown long enough to be read, but never into the next one."""
    lines = tuple(wrap_lines([word.text for word in group], options.line_length))
    needed = max(options.shortest_seconds, sum(map(display_width, lines)) / options.reading_speed)
    wanted_end = max(group[-1].end, start + min(needed, options.longest_seconds))
    end = min(wanted_end, start + options.longest_seconds, next_start - options.gap_seconds)
    return Cue(start, max(end, start + 0.001), lines)
