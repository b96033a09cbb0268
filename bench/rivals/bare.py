"""The chain as a bare asyncio script: nothing is recorded, and a crash loses everything. The floor."""

import asyncio
import time
from typing import Any

from bench.rivals.chain import Chain, open_chain
from bench.rivals.program import run_all


async def _job(chain: Chain, job_id: str, asked: dict[str, Any]) -> float:
    began = time.monotonic()
    facts = await chain.take_in(job_id, asked)
    transfers = time.monotonic() - began
    url = await chain.await_lip_sync(await chain.buy_lip_sync(job_id, asked))
    began = time.monotonic()
    facts["lip_sync"] = await chain.store_lip_sync(job_id, url)
    transfers += time.monotonic() - began
    url = await chain.await_text_removal(await chain.buy_text_removal(job_id, asked, facts))
    began = time.monotonic()
    await chain.store_text_removal(job_id, url)
    return transfers + time.monotonic() - began


async def main() -> None:
    async with open_chain() as chain:
        await run_all(lambda job_id, asked: _job(chain, job_id, asked))


if __name__ == "__main__":
    asyncio.run(main())
