"""Fonts of the PDF: the bundled one, then the operator's, each a fallback for those before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import fontpkg_noto_sans
from fontTools.ttLib import TTFont, TTLibError

from videojobs.errors import ConfigurationError

BUNDLED_FONT: Final = fontpkg_noto_sans.ROOT / "files" / "NotoSans[wdth,wght].ttf"
REPLACEMENT_CHARACTER: Final = "\N{REPLACEMENT CHARACTER}"
_INVISIBLE: Final = ("Cf", "Cc", "Zl", "Zp")  # Unicode categories that need no glyph


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
    """Characters that no font has, in code point order."""
    wanted = {char for text in texts for char in text if not char.isspace()}
    return sorted(char for char in wanted if not any(ord(char) in font.characters for font in available))


def _load_font(family: str, path: Path) -> Font:
    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            return Font(family, path, frozenset(font.getBestCmap() or ()))
    except (OSError, TTLibError) as error:
        raise ConfigurationError(
            f"VIDEOJOBS_LECTURE_FONTS names `{path.name}`, which is not a readable font; correct the path"
        ) from error
