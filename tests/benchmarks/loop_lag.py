"""Measures event loop lag: a timer records its own delay and writes it to a file."""

import asyncio
import json
import time
from pathlib import Path
from typing import Final

SAMPLE_INTERVAL: Final = 0.02
FLUSH_INTERVAL: Final = 1.0


async def record_lag(file: Path) -> None:
    """Write a line each second, until cancelled: Unix time, and all lags since the last line, in seconds."""
    with file.open("a") as lines:
        while True:
            lags = []
            end = time.monotonic() + FLUSH_INTERVAL
            while (began := time.monotonic()) < end:
                await asyncio.sleep(SAMPLE_INTERVAL)
                lags.append(round(time.monotonic() - began - SAMPLE_INTERVAL, 4))
            lines.write(json.dumps([time.time(), lags]) + "\n")
            lines.flush()


def read_lags(file: Path, since: float, until: float) -> list[float]:
    """All lags (seconds) of that interval, sorted."""
    if not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("]")]
    return sorted(lag for at, lags in lines if since < at <= until for lag in lags)
