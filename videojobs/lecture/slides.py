"""The slides of a lecture: which pictures stand still for a while, what came before them, and when they come again."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final

import cv2

from videojobs.lecture.look import Look, Unrest, differing_bits, look_at
from videojobs.lecture.models import Deck, Lecture, Slide, Span
from videojobs.lecture.options import SlideOptions
from videojobs.lecture.sampling import Sample, samples
from videojobs.lecture.work import Progress, ignored
from videojobs.media.pictures import Picture, upright

LONG_SIDE: Final = 1920  # pixels of a slide's picture at most; text is readable, and a PDF of 100 slides can be mailed
TRANSITION: Final = 1.0  # seconds; a slide that fades in begins where the one before begins to be gone
AWAY: Final = 2.0  # seconds; a slide that was not seen for longer has another time of its own
PATIENCE: Final = 5  # times the stability; so long something in a corner may move before the picture is taken anyway
_ALIKE: Final = 0.2  # of the fingerprint's bits may differ before two slides are not even compared


@dataclass(slots=True)
class _Shown:
    """Something that is on the screen, from when it was first seen: a slide, if it stays."""

    look: Look  # as it was last taken
    spans: list[Span]
    best: Sample | None = None  # of which the picture is made

    @property
    def seconds(self) -> float:
        return self.spans[-1].end - self.spans[-1].start

    def seen(self, sample: Sample) -> None:
        last = self.spans[-1]
        if sample.start - last.end > AWAY:
            self.spans.append(Span(start=sample.start, end=sample.end))
        else:
            self.spans[-1] = Span(start=last.start, end=sample.end)

    def take(self, sample: Sample, look: Look) -> None:
        self.look, self.best = look, sample


@dataclass(slots=True)
class _Kept:
    """A slide whose picture is written."""

    spans: list[Span]
    picture: str
    fingerprint: int
    packed: bytes  # its look; a lecture may have a thousand slides


@dataclass(slots=True)
class SlideFinder:
    """Is shown one sample after the other, and writes the picture of each slide into a folder when it is over."""

    options: SlideOptions
    folder: Path
    _now: _Shown | None = None  # the slide
    _next: _Shown | None = None  # what may become one
    _before: Look | None = None
    _unrest: Unrest = field(default_factory=Unrest)
    _still_since: float = 0.0
    _kept: list[_Kept] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        look = self._unrest.without(look_at(sample, tuple(self.options.masks)), self._before)
        if self._before is None or not self._before.is_still(look):
            self._still_since = sample.start
        self._before = look
        shown = self._on_screen(sample, look)
        shown.seen(sample)
        if not look.is_blank and self._may_be_taken(shown, sample):
            shown.take(sample, look)
        if shown is self._next and shown.best and shown.seconds >= self.options.min_seconds:
            self._turn_over(shown)

    def finish(self) -> list[Slide]:
        """All slides, once there are no more samples."""
        if self._now:
            self._keep(self._now)
        return [
            Slide(number=number, spans=kept.spans, picture=kept.picture) for number, kept in enumerate(self._kept, 1)
        ]

    def _on_screen(self, sample: Sample, look: Look) -> _Shown:
        """The slide, or what may become the next one, or something new."""
        if self._now and self._is_on(self._now, look):
            self._next = None
            return self._now
        if self._next is None or not self._is_on(self._next, look):
            self._next = _Shown(look, [Span(start=sample.start, end=sample.end)])
        return self._next

    def _is_on(self, shown: _Shown, look: Look) -> bool:
        """Whether it is still there: perhaps with more on it, and with less by no more than is allowed."""
        if shown.look.is_blank:
            return look.is_blank
        return shown.look.gone(look) <= 1 - self.options.sensitivity

    def _may_be_taken(self, shown: _Shown, sample: Sample) -> bool:
        """Nothing has moved for long enough; or something moves all the time, and the rest has stood even longer."""
        stable = self.options.stability_seconds
        return sample.end - self._still_since >= stable or (shown.best is None and shown.seconds >= PATIENCE * stable)

    def _turn_over(self, shown: _Shown) -> None:
        """The slide is over, and this is the next one."""
        if self._now:
            left, first = self._now.spans[-1].end, shown.spans[0]
            if first.start - left <= TRANSITION:
                shown.spans[0] = Span(start=left, end=first.end)
            self._keep(self._now)
        self._now, self._next = shown, None

    def _keep(self, shown: _Shown) -> None:
        """Write it, or note the time at the same slide before it."""
        assert shown.best is not None  # noqa: S101  # what was never taken does not become a slide
        if known := self._known(shown.look):
            known.spans += shown.spans
            return
        name = f"slide-{len(self._kept) + 1:04}.png"
        picture = upright(shown.best.frame, shown.best.aspect, "bgr24", LONG_SIDE)
        write_png(self.folder / name, picture)
        self._kept.append(_Kept(shown.spans, name, shown.look.fingerprint, shown.look.packed()))

    def _known(self, look: Look) -> _Kept | None:
        """The slide that looks the same. Fingerprints only propose: slides of one design have nearly the same one."""
        for kept in self._kept:
            if differing_bits(kept.fingerprint, look.fingerprint) <= _ALIKE:
                other = look.unpacked(kept.packed)
                # Much stricter than between neighbours: a page too many does less harm than one that is lost.
                if max(look.gone(other), other.gone(look)) <= (1 - self.options.sensitivity) / 5:
                    return kept
        return None


def find_slides(
    path: Path,
    lecture: Lecture,
    options: SlideOptions,
    folder: Path,
    *,
    on_progress: Progress = ignored,
    stop: Event | None = None,
) -> Deck:
    """All slides with their times; each one's picture is written as a PNG file into the folder.

    A slide's picture is the last one on which nothing moved: its animations have ended. A slide that comes again is the
    same slide with one more time. Raises InvalidMedia where nothing can be decoded, and Stopped.
    """
    finder = SlideFinder(options, folder)
    for sample in samples(path, stop or Event(), lecture.duration):
        finder.add(sample)
        on_progress(min(1.0, sample.end / lecture.duration))
    return Deck(duration=lecture.duration, slides=finder.finish())


def write_png(path: Path, picture: Picture) -> None:
    """Blue, green, red, as OpenCV has them. Whole or not at all: a killed run must not leave half a picture."""
    _, png = cv2.imencode(".png", picture)
    part = path.with_suffix(".part")
    part.write_bytes(png.tobytes())
    part.replace(path)
