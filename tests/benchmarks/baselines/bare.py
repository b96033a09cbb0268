"""The chain as a bare asyncio script: nothing is recorded, and a crash loses everything. This is the lower bound."""

import asyncio
import time
from typing import Any

from tests.benchmarks.baselines.chain import ChainClient, open_chain_client
from tests.benchmarks.baselines.program import run_all


async def _run_job(chain: ChainClient, job_id: str, raw_request: dict[str, Any]) -> float:
    began = time.monotonic()
    facts = await chain.analyze_inputs(job_id, raw_request)
    transfers = time.monotonic() - began
    url = await chain.wait_for_lip_sync(await chain.submit_lip_sync(job_id, raw_request))
    began = time.monotonic()
    facts["lip_sync"] = await chain.store_lip_sync(job_id, url)
    transfers += time.monotonic() - began
    url = await chain.wait_for_text_removal(await chain.submit_text_removal(job_id, raw_request, facts))
    began = time.monotonic()
    await chain.store_text_removal(job_id, url)
    return transfers + time.monotonic() - began


async def main() -> None:
    async with open_chain_client() as chain:
        await run_all(lambda job_id, asked: _run_job(chain, job_id, asked))


if __name__ == "__main__":
    asyncio.run(main())
