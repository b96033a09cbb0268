"""Fonts of the PDF: the bundled one, then the operator's, each a fallback for those before it."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import fontpkg_noto_sans
from fontTools.ttLib import TTFont, TTLibError

from videojobs.errors import ConfigurationError

BUNDLED_FONT: Final = fontpkg_noto_sans.ROOT / "files" / "NotoSans[wdth,wght].ttf"
REPLACEMENT_CHARACTER: Final = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE_CATEGORIES: Final = ("Cf", "Cc", "Zl", "Zp")  # formatting, control, line and paragraph separators
_VARIATION_SELECTORS: Final = range(0xFE00, 0xFE10)  # choose a form of the letter before them


@dataclass(frozen=True, slots=True)
class Font:
    """A font file and its characters."""

    family: str
    path: Path
    characters: frozenset[int]


def load_fonts(extra_paths: Sequence[Path]) -> list[Font]:
    """All fonts in fallback order. Raises ConfigurationError if one is unusable."""
    return [_load_font(f"font{number}", path) for number, path in enumerate([BUNDLED_FONT, *extra_paths])]


def missing_glyphs(texts: Iterable[str], available: Sequence[Font]) -> list[str]:
    """Visible characters that no font has, in code point order."""
    return sorted(char for char in _unavailable(texts, available) if not _is_invisible(char))


def replacement_table(texts: Iterable[str], available: Sequence[Font]) -> dict[int, str | None]:
    """For `str.translate`: what no font has becomes the replacement character, and nothing where it is invisible."""
    return {
        ord(char): None if _is_invisible(char) else REPLACEMENT_CHARACTER for char in _unavailable(texts, available)
    }


def _unavailable(texts: Iterable[str], available: Sequence[Font]) -> set[str]:
    wanted = {char for text in texts for char in text if not char.isspace()}
    return {char for char in wanted if not any(ord(char) in font.characters for font in available)}


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE_CATEGORIES or ord(char) in _VARIATION_SELECTORS


def _load_font(family: str, path: Path) -> Font:
    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            return Font(family, path, frozenset(font.getBestCmap() or ()))
    except (OSError, TTLibError) as error:
        raise ConfigurationError(
            f"VIDEOJOBS_LECTURE_FONTS names `{path.name}`, which is not a readable font; correct the path"
        ) from error
