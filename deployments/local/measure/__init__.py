"""Measures a finished video: its length, its sounds, whether the text is gone, and whether all else is as it was."""

from deployments.local.measure.areas import Area
from deployments.local.measure.compare import Clip, Piece, measure_result
from deployments.local.measure.pictures import frames, length, psnr
from deployments.local.measure.report import Report, Row, SoundFigure, TextFigure
from deployments.local.measure.sound import sound_correlation

__all__ = [
    "Area",
    "Clip",
    "Piece",
    "Report",
    "Row",
    "SoundFigure",
    "TextFigure",
    "frames",
    "length",
    "measure_result",
    "psnr",
    "sound_correlation",
]
