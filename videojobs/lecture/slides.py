"""Detects the slides of a lecture: frames that stay unchanged for a while. Repeated slides are merged."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final

import cv2

from videojobs.lecture.frame_sampling import Sample, sample_frames
from videojobs.lecture.frame_signature import FrameSignature, MotionMask, bit_difference_ratio, build_signature
from videojobs.lecture.models import LectureInfo, Slide, SlideDeck, Span
from videojobs.lecture.options import SlideOptions
from videojobs.lecture.progress import ProgressCallback, no_progress
from videojobs.media.comparison_image import ImageArray, to_upright_image

IMAGE_LONG_SIDE: Final = (
    1920  # maximum pixels of a slide's picture: text is readable, and a PDF of 100 slides can be mailed
)
MAX_TRANSITION_SECONDS: Final = 1.0  # a slide that fades in begins where the previous one begins to fade
MAX_ABSENCE_SECONDS: Final = 2.0  # after a longer absence, a slide gets another interval
STABILITY_TIMEOUT_FACTOR: Final = (
    5  # times the stability; then the picture is saved although something still moves, in a corner for example
)
_MAX_FINGERPRINT_DIFFERENCE: Final = 0.2  # of the fingerprint's bits; slides that differ more are not compared


@dataclass(slots=True)
class _SlideCandidate:
    """What is on the screen since its first sample: a slide, if it stays."""

    signature: FrameSignature  # of the best sample, or of the first one
    spans: list[Span]
    best_sample: Sample | None = None  # the source of the slide's picture

    @property
    def seconds(self) -> float:
        return self.spans[-1].end - self.spans[-1].start

    def extend(self, sample: Sample) -> None:
        last = self.spans[-1]
        if sample.start - last.end > MAX_ABSENCE_SECONDS:
            self.spans.append(Span(start=sample.start, end=sample.end))
        else:
            self.spans[-1] = Span(start=last.start, end=sample.end)

    def set_best(self, sample: Sample, signature: FrameSignature) -> None:
        self.signature, self.best_sample = signature, sample


@dataclass(slots=True)
class _SavedSlide:
    """A slide whose picture is on disk."""

    spans: list[Span]
    picture: str
    fingerprint: int
    signature_png: bytes  # compressed: a lecture may have a thousand slides


@dataclass(slots=True)
class SlideDetector:
    """Takes the samples in order, and writes each slide's picture into a folder when the slide ends."""

    options: SlideOptions
    folder: Path
    _current: _SlideCandidate | None = None  # the slide on the screen
    _candidate: _SlideCandidate | None = None  # may become the next slide
    _previous_signature: FrameSignature | None = None
    _motion_mask: MotionMask = field(default_factory=MotionMask)
    _still_since: float = 0.0
    _saved: list[_SavedSlide] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        signature = self._motion_mask.exclude_motion(
            build_signature(sample, tuple(self.options.masks)), self._previous_signature
        )
        if self._previous_signature is None or not self._previous_signature.is_still(signature):
            self._still_since = sample.start
        self._previous_signature = signature
        shown = self._match_or_start(sample, signature)
        shown.extend(sample)
        if not signature.is_blank and self._is_stable(shown, sample):
            shown.set_best(sample, signature)
        if shown is self._candidate and shown.best_sample and shown.seconds >= self.options.min_seconds:
            self._commit_slide(shown)

    def finish(self) -> list[Slide]:
        """All slides. Call it after the last sample."""
        if self._current:
            self._save(self._current)
        return [
            Slide(number=number, spans=saved.spans, picture=saved.picture)
            for number, saved in enumerate(self._saved, 1)
        ]

    def _match_or_start(self, sample: Sample, signature: FrameSignature) -> _SlideCandidate:
        """The current slide, the candidate, or a new candidate, whichever the sample shows."""
        if self._current and self._matches(self._current, signature):
            self._candidate = None
            return self._current
        if self._candidate is None or not self._matches(self._candidate, signature):
            self._candidate = _SlideCandidate(signature, [Span(start=sample.start, end=sample.end)])
        return self._candidate

    def _matches(self, shown: _SlideCandidate, signature: FrameSignature) -> bool:
        """Whether it is still shown: additions do not matter, losses up to the sensitivity."""
        if shown.signature.is_blank:
            return signature.is_blank
        return shown.signature.lost_ratio(signature) <= 1 - self.options.sensitivity

    def _is_stable(self, shown: _SlideCandidate, sample: Sample) -> bool:
        """Nothing moved for the stability time; or something always moves, and the slide was shown even longer."""
        stable = self.options.stability_seconds
        return sample.end - self._still_since >= stable or (
            shown.best_sample is None and shown.seconds >= STABILITY_TIMEOUT_FACTOR * stable
        )

    def _commit_slide(self, shown: _SlideCandidate) -> None:
        """Save the current slide and make this the next one."""
        if self._current:
            previous_end, first = self._current.spans[-1].end, shown.spans[0]
            if first.start - previous_end <= MAX_TRANSITION_SECONDS:
                shown.spans[0] = Span(start=previous_end, end=first.end)
            self._save(self._current)
        self._current, self._candidate = shown, None

    def _save(self, shown: _SlideCandidate) -> None:
        """Write its picture, or add its intervals to an earlier identical slide."""
        assert shown.best_sample is not None  # noqa: S101  # a candidate without a sample never becomes a slide
        if duplicate := self._find_duplicate(shown.signature):
            duplicate.spans += shown.spans
            return
        name = f"slide-{len(self._saved) + 1:04}.png"
        picture = to_upright_image(shown.best_sample.frame, shown.best_sample.pixel_aspect, "bgr24", IMAGE_LONG_SIDE)
        write_png(self.folder / name, picture)
        self._saved.append(_SavedSlide(shown.spans, name, shown.signature.fingerprint, shown.signature.encode_png()))

    def _find_duplicate(self, signature: FrameSignature) -> _SavedSlide | None:
        """The saved slide that looks the same. Fingerprints only preselect: slides of one design have similar ones."""
        for saved in self._saved:
            if bit_difference_ratio(saved.fingerprint, signature.fingerprint) <= _MAX_FINGERPRINT_DIFFERENCE:
                other = signature.decode_png(saved.signature_png)
                # Much stricter than between neighbours: an extra page does less harm than a lost one.
                if max(signature.lost_ratio(other), other.lost_ratio(signature)) <= (1 - self.options.sensitivity) / 5:
                    return saved
        return None


def extract_slides(
    path: Path,
    lecture: LectureInfo,
    options: SlideOptions,
    folder: Path,
    *,
    on_progress: ProgressCallback = no_progress,
    stop: Event | None = None,
) -> SlideDeck:
    """Detect all slides with their times; write each one's picture as a PNG file into `folder`.

    A slide's picture is its last still frame: its animations have ended. A slide that is shown again gets another
    interval. Raises InvalidMedia if nothing can be decoded, and WorkCancelled.
    """
    detector = SlideDetector(options, folder)
    for sample in sample_frames(path, stop or Event(), lecture.duration):
        detector.add(sample)
        on_progress(min(1.0, sample.end / lecture.duration))
    return SlideDeck(duration=lecture.duration, slides=detector.finish())


def write_png(path: Path, picture: ImageArray) -> None:
    """Write a BGR picture atomically: a killed run must not leave half of one."""
    _, png = cv2.imencode(".png", picture)
    part = path.with_suffix(".part")
    part.write_bytes(png.tobytes())
    part.replace(path)
