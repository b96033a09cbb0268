"""The chain as a DBOS workflow on the same Postgres server: each call is a step whose result is recorded.

A wait is one step, however often it asks: recording each answer would only cost more. DBOS runs a step again that was
under way when its process died, so a paid call could be made twice; what the product does about that is not here.
"""

import asyncio
import os
from typing import Any, Final

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import make_url

from bench.rivals.chain import Chain, Json, open_chain
from bench.rivals.program import run_all

DATABASE: Final = "dbos"
_chains: Final[list[Chain]] = []  # one: steps are functions of a module


@DBOS.step()
async def _take_in(job_id: str, asked: Json) -> Json:
    return await _chains[0].take_in(job_id, asked)


@DBOS.step()
async def _buy_lip_sync(job_id: str, asked: Json) -> str:
    return await _chains[0].buy_lip_sync(job_id, asked)


@DBOS.step()
async def _await_lip_sync(generation_id: str) -> str:
    return await _chains[0].await_lip_sync(generation_id)


@DBOS.step()
async def _store_lip_sync(job_id: str, url: str) -> Json:
    return await _chains[0].store_lip_sync(job_id, url)


@DBOS.step()
async def _buy_text_removal(job_id: str, asked: Json, facts: Json) -> str:
    return await _chains[0].buy_text_removal(job_id, asked, facts)


@DBOS.step()
async def _await_text_removal(work_id: str) -> str:
    return await _chains[0].await_text_removal(work_id)


@DBOS.step()
async def _store_text_removal(job_id: str, url: str) -> Json:
    return await _chains[0].store_text_removal(job_id, url)


@DBOS.workflow()
async def _chained(job_id: str, asked: Json) -> None:
    facts = await _take_in(job_id, asked)
    url = await _await_lip_sync(await _buy_lip_sync(job_id, asked))
    facts["lip_sync"] = await _store_lip_sync(job_id, url)
    url = await _await_text_removal(await _buy_text_removal(job_id, asked, facts))
    await _store_text_removal(job_id, url)


async def _run(job_id: str, asked: dict[str, Any]) -> float:
    with SetWorkflowID(job_id):
        handle = await DBOS.start_workflow_async(_chained, job_id, asked)
    await handle.get_result()
    return 0.0


async def main() -> None:
    url = make_url(os.environ["DATABASE_URL"]).set(database=DATABASE).render_as_string(hide_password=False)
    DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="WARNING"))
    DBOS.launch()
    async with open_chain() as chain:
        _chains.append(chain)
        await run_all(_run)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
