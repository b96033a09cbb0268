"""Makes a generation's video: the pictures in their new order, with their new sound. Nothing is drawn."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from av.video.frame import VideoFrame

from deployments.local.emulators import video
from deployments.local.emulators.sound import SoundTrack
from deployments.local.emulators.sync_so import media
from deployments.local.emulators.sync_so.errors import Failure
from deployments.local.emulators.video import GoOn, Unusable

CRF = 12  # finer than the vendor's 17: what passes through has to stay comparable pixel by pixel


def render(go_on: GoOn, recipe: media.Recipe, target: Path) -> float:
    """Write the result and return its length in seconds. Raises Failure with the vendor's code."""
    plan = media.cut(recipe)
    go_on()
    if plan.facts is None:
        source = video.pictures(recipe.visual, go_on)
    else:
        source = video.pictures_on_grid(recipe.visual, plan.facts, go_on)
    try:
        _write(plan, in_order(source, plan.order), target)
    except Unusable as error:
        raise Failure("generation_input_video_invalid") from error
    return len(plan.order) / float(plan.rate)


def in_order(source: Iterator[VideoFrame], order: Sequence[int]) -> Iterator[VideoFrame]:
    """The source's pictures in the wanted order, each held no longer than until its last use."""
    last_use = {number: position for position, number in enumerate(order)}
    held: dict[int, VideoFrame] = {}
    arriving = enumerate(source)
    for position, wanted in enumerate(order):
        while wanted not in held:
            number, picture = next(arriving)
            if last_use.get(number, -1) >= position:
                held[number] = picture
        yield held.pop(wanted) if last_use[wanted] == position else held[wanted]


def _write(plan: media.Cut, pictures: Iterator[VideoFrame], target: Path) -> None:
    first = next(pictures, None)
    if first is None:
        raise Unusable("nothing is left to show")
    with video.open_film(target) as film:
        aspect = plan.facts.pixel_aspect if plan.facts else video.SQUARE
        track = video.add_picture_track(film, first, plan.rate, CRF, aspect)
        heard = SoundTrack(film, plan.samples)
        for number, picture in enumerate(chain([first], pictures)):
            picture.pts, picture.time_base = number, 1 / plan.rate
            film.mux(track.encode(picture))
            heard.write_until(float(number / plan.rate))
        film.mux(track.encode(None))
        heard.close()
