"""Starts a baseline's program beside a stack, and submits jobs to it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from deployments.local.stack.process import Process
from tests.benchmarks.harness import Harness

BARE, DBOS = "bare asyncio", "DBOS"
MODULES = {BARE: "tests.benchmarks.baselines.bare", DBOS: "tests.benchmarks.baselines.durable"}
PROCESS_NAME = "rival"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A running baseline program, and its output files."""

    program: Process
    report: Path
    lag_file: Path
    requests: tuple[Path, Path]

    async def submit(self, harness: Harness, job_ids: Sequence[str], *, second: bool = False) -> None:
        """Submit jobs. There are two batches in all; each is written atomically."""
        file = self.requests[second]
        new = file.with_suffix(".new")
        new.write_text(json.dumps(await harness.prepare_requests(job_ids)))
        new.replace(file)


@asynccontextmanager
async def run_baseline(
    harness: Harness,
    kind: str,
    name: str,
    *,
    one_by_one: bool = False,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Baseline]:
    """Run a baseline program for the duration of the context. `settings` are the product's.

    `name` is the name of its files.
    """
    report, lags, *requests = (harness.folder / f"{name}-{what}" for what in ("report", "lags", "first", "second"))
    arguments = [*(["--one-by-one"] if one_by_one else []), str(report), *map(str, requests)]
    variables = {**settings, "BENCH_LAG_FILE": str(lags)}
    async with harness.run_program(PROCESS_NAME, MODULES[kind], *arguments, **variables) as program:
        yield Baseline(program, report, lags, (requests[0], requests[1]))
