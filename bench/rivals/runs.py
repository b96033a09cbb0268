"""Starts a rival's program beside a stack, with jobs for it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.stand import Stand
from deployments.local.process import Process

BARE, DBOS = "bare asyncio", "DBOS"
MODULES = {BARE: "bench.rivals.bare", DBOS: "bench.rivals.durable"}
PART = "rival"


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival's program under way, and the files that it writes."""

    program: Process
    report: Path
    lags: Path


@asynccontextmanager
async def rival(
    stand: Stand,
    kind: str,
    job_ids: Sequence[str],
    *,
    one_by_one: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Rival]:
    """Let it do these jobs; when the context ends, it is ended. `settings` are the product's."""
    name = f"{job_ids[0]}-{len(job_ids)}"
    requests, report, lags = (stand.folder / f"{name}-{what}" for what in ("requests", "report", "lags"))
    requests.write_text(json.dumps({job_id: stand.asked() for job_id in job_ids}))
    arguments = [str(requests), str(report), *(["--one-by-one"] if one_by_one else [])]
    variables = {**settings, "BENCH_LAG_FILE": str(lags)}
    async with stand.program(PART, MODULES[kind], *arguments, **variables) as program:
        yield Rival(program, report, lags)
