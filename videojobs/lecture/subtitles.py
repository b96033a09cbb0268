"""Writes subtitle files."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final, Literal

from pysubs2 import SSAEvent, SSAFile, make_time

from videojobs.lecture.cues import Cue, build_cues
from videojobs.lecture.models import SubtitleFiles, Transcript
from videojobs.lecture.options import SubtitleOptions

SubtitleFormat = Literal["srt", "vtt"]
FORMATS: Final[tuple[SubtitleFormat, ...]] = ("srt", "vtt")


def write_subtitles(transcript: Transcript, options: SubtitleOptions, folder: Path) -> SubtitleFiles:
    """Write `subtitles.srt` and `subtitles.vtt`: valid but empty without speech; none if no recognition ran."""
    if transcript.outcome not in ("heard", "silent"):
        return SubtitleFiles(files=[], cues=0)
    found = build_cues(transcript.words, options)
    names = []
    for kind in FORMATS:
        names.append(f"subtitles.{kind}")
        (folder / names[-1]).write_text(to_subtitle_text(found, kind), encoding="utf-8")
    return SubtitleFiles(files=names, cues=len(found))


def to_subtitle_text(found: Sequence[Cue], kind: SubtitleFormat) -> str:
    """The content of a subtitle file."""
    file = SSAFile()
    file.events = [_to_event(cue, kind) for cue in found]
    return file.to_string(kind)


def _to_event(cue: Cue, kind: SubtitleFormat) -> SSAEvent:
    """No word may act as markup. pysubs2 interprets braces and cannot escape them."""
    text = "\n".join(cue.lines).replace("{", "(").replace("}", ")")
    event = SSAEvent(start=make_time(s=cue.start), end=make_time(s=cue.end))
    event.plaintext = escape(text, quote=False) if kind == "vtt" else text
    return event
