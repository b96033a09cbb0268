"""Measures a finished video: its length, its sounds, whether the text is gone, and whether all else is as it was."""

from deployments.local.measure.areas import Area
from deployments.local.measure.compare import ExpectedAudio, TimeMapping, measure_result
from deployments.local.measure.pictures import psnr, read_frames, video_duration
from deployments.local.measure.report import AudioMetric, Metric, QualityReport, TextMetric
from deployments.local.measure.sound import audio_correlation

__all__ = [
    "Area",
    "AudioMetric",
    "ExpectedAudio",
    "Metric",
    "QualityReport",
    "TextMetric",
    "TimeMapping",
    "audio_correlation",
    "measure_result",
    "psnr",
    "read_frames",
    "video_duration",
]
