"""The chain as a DBOS workflow on the same Postgres server: each call is a step whose result is recorded.

A wait is one step, however often it polls: recording each response would only cost more. DBOS repeats a step that was
running when its process died, so a paid call could be made twice. The product's protection against that is not
included.
"""

import asyncio
import os
from typing import Any, Final

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import make_url

from tests.benchmarks.baselines.chain import ChainClient, Json, open_chain_client
from tests.benchmarks.baselines.program import run_all

DATABASE: Final = "dbos"
_clients: Final[list[ChainClient]] = []  # one entry; DBOS steps are module functions


@DBOS.step()
async def _analyze_inputs(job_id: str, raw_request: Json) -> Json:
    return await _clients[0].analyze_inputs(job_id, raw_request)


@DBOS.step()
async def _submit_lip_sync(job_id: str, raw_request: Json) -> str:
    return await _clients[0].submit_lip_sync(job_id, raw_request)


@DBOS.step()
async def _wait_for_lip_sync(generation_id: str) -> str:
    return await _clients[0].wait_for_lip_sync(generation_id)


@DBOS.step()
async def _store_lip_sync(job_id: str, url: str) -> Json:
    return await _clients[0].store_lip_sync(job_id, url)


@DBOS.step()
async def _submit_text_removal(job_id: str, raw_request: Json, facts: Json) -> str:
    return await _clients[0].submit_text_removal(job_id, raw_request, facts)


@DBOS.step()
async def _wait_for_text_removal(work_id: str) -> str:
    return await _clients[0].wait_for_text_removal(work_id)


@DBOS.step()
async def _store_text_removal(job_id: str, url: str) -> Json:
    return await _clients[0].store_text_removal(job_id, url)


@DBOS.workflow()
async def _chained_job(job_id: str, raw_request: Json) -> None:
    facts = await _analyze_inputs(job_id, raw_request)
    url = await _wait_for_lip_sync(await _submit_lip_sync(job_id, raw_request))
    facts["lip_sync"] = await _store_lip_sync(job_id, url)
    url = await _wait_for_text_removal(await _submit_text_removal(job_id, raw_request, facts))
    await _store_text_removal(job_id, url)


async def _run_workflow(job_id: str, raw_request: dict[str, Any]) -> float:
    with SetWorkflowID(job_id):
        handle = await DBOS.start_workflow_async(_chained_job, job_id, raw_request)
    await handle.get_result()
    return 0.0


async def main() -> None:
    url = make_url(os.environ["DATABASE_URL"]).set(database=DATABASE).render_as_string(hide_password=False)
    DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="WARNING"))
    DBOS.launch()
    async with open_chain_client() as chain:
        _clients.append(chain)
        await run_all(_run_workflow)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
