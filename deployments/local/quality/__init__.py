"""Measures a result: its length and audio, whether the text is gone, and whether all else is unchanged."""

from deployments.local.quality.areas import Area
from deployments.local.quality.audio import audio_correlation
from deployments.local.quality.comparison import ExpectedAudio, TimeMapping, measure_result
from deployments.local.quality.frames import psnr, read_frames, video_duration
from deployments.local.quality.report import AudioMetric, Metric, QualityReport, TextMetric

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
