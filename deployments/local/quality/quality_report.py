"""Measures a finished job: is the audio replaced, is the text gone, is the rest unchanged?"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deployments.local.quality import Area, ExpectedAudio, QualityReport, TimeMapping, measure_result
from videojobs.db import VideoJob
from videojobs.pipeline.masks import resolve_timeline
from videojobs.requests.models import JobRequest


def measure_job(
    job: VideoJob, result: Path, *, source: Path, clean: Path | None, audio: dict[str, Path]
) -> QualityReport:
    """Compare a completed job's result with its inputs. `clean` is the source without its text, if available."""
    request = job.video_request
    timeline = resolve_timeline(request, job.facts).timelines[0]
    pieces = [(piece.source_start, piece.source_end, piece.result_start, piece.result_end) for piece in timeline.pieces]
    areas = [Area(**area.model_dump(exclude={"label"})) for area in request.effects]
    if request.removes_whole_frame:  # text may change anywhere, except where it is protected
        areas.append(Area("text", 0.0, 0.0, 1.0, 1.0, 0.0, job.facts.source_video.duration))
    return measure_result(source, clean, result, pieces, areas, _expected_audio(request, pieces, audio))


def _expected_audio(request: JobRequest, pieces: Sequence[TimeMapping], audio: dict[str, Path]) -> list[ExpectedAudio]:
    """The new audio of each segment, with its time in the result."""
    heard = {source_start: (start, end) for source_start, _, start, end in pieces}
    if not request.segments:  # one audio for the whole video, or none
        return [ExpectedAudio(pieces[0][2], pieces[-1][3], audio[item.refId], 0.0) for item in request.audio]
    return [
        ExpectedAudio(*heard[segment.startTime], audio[segment.audioInput.refId], segment.audioInput.startTime or 0.0)
        for segment in request.segments
        if segment.startTime in heard
    ]


def print_quality_report(console: Console, report: QualityReport) -> None:
    table = Table("", "Figure", "Value", title="Measured on the final video")
    for row in report.metrics():
        table.add_row("[green]✓[/]" if row.is_ok else "[red]✗[/]", row.name, row.value)
    console.print(table)
