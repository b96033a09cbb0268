"""Makes a work's video: cleaned pictures at their own times, the sound as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.container import OutputContainer
from av.video.frame import VideoFrame

from deployments.local.emulators import sound, video
from deployments.local.emulators.ghostcut.erase import Eraser
from deployments.local.emulators.ghostcut.masks import SAME_MOMENT, Mask
from deployments.local.emulators.sound import CopiedSound, SoundTrack
from deployments.local.emulators.video import GoOn, Unusable


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is made of the source. `ceiling` limits the short side (pixels), `excerpt` cuts (seconds)."""

    source: Path
    masks: Sequence[Mask]
    everywhere: bool
    crf: int
    ceiling: int
    excerpt: tuple[float, float] | None


def render(go_on: GoOn, recipe: Recipe, target: Path) -> None:
    """Write the result. Raises Unusable."""
    facts = video.probe(recipe.source)
    eraser = Eraser(recipe.masks, recipe.everywhere, facts.duration)
    start, end = recipe.excerpt or (0.0, float("inf"))
    shown = (
        picture
        for picture in video.pictures(recipe.source, go_on)
        if start - SAME_MOMENT <= picture.time < end - SAME_MOMENT
    )
    first = next(shown, None)
    if first is None:
        raise Unusable("no picture lies in the wanted range")
    with video.open_film(target) as film:
        like = _limited(first, recipe.ceiling)
        track = video.add_picture_track(film, like, facts.rate, recipe.crf, facts.pixel_aspect)
        track.codec_context.time_base = first.time_base or 1 / facts.rate
        heard = _sound(film, recipe)
        shift = first.pts if recipe.excerpt and first.pts else 0
        for picture in chain([first], shown):
            moment = picture.time
            cleaned = eraser.clean(_limited(picture, recipe.ceiling), moment)
            cleaned.pts = (picture.pts or 0) - shift
            film.mux(track.encode(cleaned))
            if heard:
                heard.write_until(moment - start)
        film.mux(track.encode(None))
        if heard:
            heard.close()


def _limited(picture: VideoFrame, ceiling: int) -> VideoFrame:
    """Scaled down to the ceiling; never up."""
    short = min(picture.width, picture.height)
    if short <= ceiling:
        return picture
    scale = Fraction(ceiling, short)
    smaller = picture.reformat(width=_even(picture.width * scale), height=_even(picture.height * scale))
    smaller.pts, smaller.time_base = picture.pts, picture.time_base
    return smaller


def _even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))


def _sound(film: OutputContainer, recipe: Recipe) -> CopiedSound | SoundTrack | None:
    """Copied where the container takes it; an excerpt and foreign codecs are encoded anew."""
    if not sound.has_sound(recipe.source):
        return None
    if recipe.excerpt is None and sound.can_be_copied(recipe.source):
        return CopiedSound(film, recipe.source)
    samples = sound.decode(recipe.source)
    if recipe.excerpt is not None:
        start, end = recipe.excerpt
        samples = sound.cut(samples, start, min(end, sound.seconds_of(samples)))
    return SoundTrack(film, samples)
