"""A lake at dawn, drawn: clouds drift, water ripples, a boat sails, birds fly. The same pixels in every run.

Colours are RGB floats 0..255; positions are fractions of the picture, so it looks the same in any size. The middle of
the sky is smooth, so that text removal there is feasible.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

RgbFrame = NDArray[np.uint8]
Layer = NDArray[np.float32]
Color = tuple[float, float, float]

HORIZON: Final = 0.76
SUN: Final = (0.15, 0.66)
SKY: Final[Sequence[tuple[float, Color]]] = (  # height, colour
    (0.0, (58, 92, 150)),
    (0.35, (118, 146, 188)),
    (0.62, (214, 190, 182)),
    (HORIZON, (250, 214, 168)),
)
HILLS: Final[Sequence[tuple[float, float, Color]]] = (  # mean height, relief, colour: from far to near
    (0.715, 0.030, (172, 160, 176)),
    (0.735, 0.024, (124, 124, 148)),
    (0.750, 0.012, (74, 88, 100)),
)
CLOUDS: Final[Sequence[tuple[float, float, float, float]]] = (  # widths a second, from, to in height, thickness
    (0.006, 0.01, 0.31, 0.85),
    (0.013, 0.30, 0.68, 0.38),
)
WATER_TINT: Final = np.array((0.62, 0.74, 0.80), np.float32)
WHITE: Final = np.array((255, 246, 236), np.float32)


class LakeScene:
    """The scene in one size. `size` is (width, height) in pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._width, self._height = size
        self._rng = np.random.default_rng(7)
        self._shore = round(HORIZON * self._height)
        self._sky = self._add_sun(_gradient(SKY, self._width, self._height))
        self._clouds = [self._cloud_cover(top, bottom, thickness) for _, top, bottom, thickness in CLOUDS]
        self._ridge, self._hills, self._behind = self._hill_layers()
        self._grain = self._rng.normal(0, 0.8, (self._height, self._width, 1)).astype(np.float32)  # against banding
        water = (self._height - self._shore, self._width * 2)
        self._glitter = [_noise(self._rng, water, (14, 14), octaves=3) for _ in range(2)]

    def render(self, time: float) -> RgbFrame:
        """The picture at a time in seconds: (height, width, 3)."""
        canvas = self._sky.copy()
        for (speed, *_), (rows, cover) in zip(CLOUDS, self._clouds, strict=True):
            alpha = _shift_cover(cover, time * speed * self._width, self._width)[..., None]
            sky = canvas[rows]
            sky += (WHITE - sky) * alpha
        land = canvas[self._ridge :]
        land *= self._behind
        land += self._hills
        self._draw_boat(canvas, time)
        canvas[self._shore :] = self._water(canvas, time)
        self._draw_birds(canvas, time)
        canvas += self._grain
        return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)

    def _add_sun(self, sky: Layer) -> Layer:
        """The sun and its glow."""
        y, x = np.mgrid[: self._height, : self._width].astype(np.float32)
        far = np.hypot(x / self._width - SUN[0], (y / self._height - SUN[1]) * self._height / self._width)
        glow = np.exp(-far * 7)[..., None] * np.array((70, 46, 10), np.float32)
        disc = np.clip((0.026 - far) * self._width / 1.5, 0, 1)[..., None]
        lit = sky + glow
        light: Layer = lit + (np.array((255, 244, 208), np.float32) - lit) * disc
        return light

    def _cloud_cover(self, top: float, bottom: float, thickness: float) -> tuple[slice, Layer]:
        """The rows of the clouds, and their opacity, twice as wide as the picture; they fade out."""
        shape = (self._height, self._width * 2)
        noise = _noise(self._rng, shape, (4, 6), octaves=5)
        y = np.linspace(0, 1, self._height, dtype=np.float32)[:, None]
        fade = np.sin(np.clip((y - top) / (bottom - top), 0, 1) * np.pi)
        rows = slice(int(top * self._height), int(bottom * self._height) + 1)
        return rows, (_smooth((noise - 0.46) / 0.34) * fade * thickness)[rows].astype(np.float32)

    def _hill_layers(self) -> tuple[int, Layer, Layer]:
        """The row of the highest ridge; from there on, the colour of the hills and their transparency."""
        color = np.zeros((self._height, self._width, 3), np.float32)
        behind = np.ones((self._height, self._width, 1), np.float32)
        y = np.arange(self._height, dtype=np.float32)[:, None]
        for mean, relief, tone in HILLS:
            ridge = _noise(self._rng, (1, self._width), (1, 5), octaves=5)[0]
            top = (mean + relief * (0.5 - ridge) * 2) * self._height
            alpha = np.clip(y - top, 0, 1)[..., None]
            mist = np.clip((y - top) / (0.06 * self._height), 0, 1)[..., None] * 26
            color = color * (1 - alpha) + (np.array(tone, np.float32) + mist) * alpha
            behind = behind * (1 - alpha)
        ridge_row = int(np.argmax(behind[:, :, 0].min(axis=1) < 1))
        return ridge_row, color[ridge_row:], behind[ridge_row:]

    def _water(self, canvas: Layer, time: float) -> Layer:
        """The mirrored upper part, rippled, with the sun's light dancing on it."""
        y, x = np.mgrid[: self._height - self._shore, : self._width].astype(np.float32)
        depth = y / (self._height - self._shore)
        wave = np.sin(y * 900 / self._height / (0.6 + 2.4 * depth) - time * 2.4) * (0.6 + 5 * depth)
        wave += np.sin(x * 12 / self._width + y * 0.35 + time * 1.1) * (0.4 + 2 * depth)
        unit = self._height / 360
        above = self._shore - 1 - y * 1.9 + np.sin(x * 40 / self._width + time * 1.7) * 2 * depth * unit
        mirrored = cv2.remap(
            canvas, x + wave * unit, np.clip(above, 0, None), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        beam = np.exp(-(((x / self._width - SUN[0]) / (0.035 + 0.09 * depth)) ** 2))
        there, back = (
            _shift_cover(noise, (0.5 + way * 0.022 * time) * self._width, self._width)
            for noise, way in zip(self._glitter, (1, -1), strict=True)
        )
        dance = _smooth((there + back - 1.04) * 7)
        shade = (1 - 0.22 * depth)[..., None]
        water: Layer = mirrored * WATER_TINT * shade + (beam * dance * 120)[..., None] * np.array(
            (1, 0.86, 0.6), np.float32
        )
        return water

    def _draw_boat(self, canvas: Layer, time: float) -> None:
        """A small distant sailing boat that moves to the left."""
        left = (0.86 - 0.009 * time) * self._width
        foot = self._shore - 1 + 0.4 * np.sin(time * 1.5)
        scale = self._height / 360
        hull = [(-9, -2), (9, -2), (6, 2), (-7, 2)]
        sail, jib = [(-1, -26), (-1, -4), (11, -4)], [(-3, -22), (-3, -4), (-10, -4)]
        for shape, tone in ((hull, (74, 52, 46)), (sail, (250, 244, 232)), (jib, (232, 214, 196))):
            _fill(canvas, [(left + x * scale, foot + y * scale) for x, y in shape], tone)

    def _draw_birds(self, canvas: Layer, time: float) -> None:
        """Three birds, each with its own wing beat."""
        scale = self._height / 360
        for number, (behind, above) in enumerate(((0.0, 0.0), (0.035, 0.022), (0.05, -0.02))):
            x = (0.08 + 0.05 * time - behind) * self._width
            y = (0.15 + above + 0.01 * np.sin(time * 0.9 + number)) * self._height
            lift = 3.4 * np.sin(time * 9 + number * 1.9)
            wings = [(x - 7 * scale, y - lift * scale), (x, y), (x + 7 * scale, y - lift * scale)]
            points = [np.array([(round(a * 16), round(b * 16)) for a, b in wings], np.int32)]
            cv2.polylines(canvas, points, False, (44, 48, 62), max(1, round(1.4 * scale)), cv2.LINE_AA, 4)


def _gradient(stops: Sequence[tuple[float, Color]], width: int, height: int) -> Layer:
    y = np.linspace(0, 1, height)
    places = [place for place, _ in stops]
    channels = [np.interp(y, places, [color[number] for _, color in stops]) for number in range(3)]
    column = np.stack(channels, axis=-1).astype(np.float32)[:, None]
    return np.repeat(column, width, axis=1)


def _noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int = 4) -> Layer:
    """Smooth noise 0..1: `cells` (rows, columns) for the first octave, each further one finer and weaker."""
    height, width = shape
    total, weight = np.zeros(shape, np.float32), 0.0
    for octave in range(octaves):
        rows, columns = (count * 2**octave + 1 for count in cells)
        grid = rng.random((rows, columns), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5**octave
        weight += 0.5**octave
    soft: Layer = np.clip(total / weight, 0, 1)
    return soft


def _smooth(value: Layer) -> Layer:
    """Smoothstep from 0 to 1."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _shift_cover(cover: Layer, by: float, width: int) -> Layer:
    """The part of the cover over the picture after a shift by `by` pixels."""
    move = np.array([[1, 0, -(cover.shape[1] - width - by)], [0, 1, 0]], np.float32)
    size = (width, cover.shape[0])
    return np.asarray(cv2.warpAffine(cover, move, size, borderMode=cv2.BORDER_REFLECT), np.float32)


def _fill(canvas: Layer, points: Sequence[tuple[float, float]], color: Color) -> None:
    corners = [np.array([(round(x * 16), round(y * 16)) for x, y in points], np.int32)]
    cv2.fillPoly(canvas, corners, color, cv2.LINE_AA, 4)
