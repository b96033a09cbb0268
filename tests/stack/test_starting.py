"""The ways to start a job: the Prefect API with and without a client, the command line, and twice the same."""

import asyncio
import json
import sys

import httpx

from tests.stack.conftest import DEPLOYMENT, Desk
from videojobs.states import Status


def tiny(desk: Desk) -> dict[str, object]:
    return desk.request(
        audio=[{"refId": "audio-2", "source": str(desk.sample.audio["audio-2"])}],
        segments=[{"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-2"}}],
        effects=[],
    )


async def command(desk: Desk, *words: str) -> str:
    """What a command prints that a person types beside the stack."""
    process = await asyncio.create_subprocess_exec(
        *words, env={**desk.stack.variables, "PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def test_a_bare_curl_starts_a_job_and_the_same_key_twice_gives_one(desk: Desk, job_id: str) -> None:
    api = desk.stack.variables["PREFECT_API_URL"]
    login = ("-u", desk.stack.variables["PREFECT_API_AUTH_STRING"])
    found = json.loads(await command(desk, "curl", "-s", *login, f"{api}/deployments/name/{DEPLOYMENT}"))
    body = json.dumps({"parameters": tiny(desk), "idempotency_key": job_id})
    call = ["curl", "-s", *login, f"{api}/deployments/{found['id']}/create_flow_run"]
    call += ["-H", "Content-Type: application/json", "-d", body]
    first, second = json.loads(await command(desk, *call)), json.loads(await command(desk, *call))
    assert first["id"] == second["id"]
    job = await desk.done(await desk.prefect.read_flow_run(first["id"]))
    assert (job.id, job.status) == (first["id"], Status.COMPLETED)
    assert len(await desk.paid("sync_so", first["id"])) == 1


async def test_prefect_deployment_run_starts_a_job(desk: Desk, job_id: str) -> None:
    parameters = json.dumps({**tiny(desk), "job_id": job_id})
    await command(
        desk, sys.executable, "-m", "prefect", "deployment", "run", DEPLOYMENT, "--params", parameters, "--watch"
    )
    assert (await desk.ledger.job(job_id)).status == Status.COMPLETED


async def test_the_api_refuses_a_malformed_parameter_at_once_and_names_it(desk: Desk) -> None:
    api = desk.stack.variables["PREFECT_API_URL"]
    async with httpx.AsyncClient(base_url=api, auth=desk.stack.prefect_login) as http:
        deployment = (await http.get(f"/deployments/name/{DEPLOYMENT}")).json()["id"]
        bad = {**tiny(desk), "segments": [{"startTime": "soon", "endTime": 1, "audioInput": {"refId": "audio-2"}}]}
        answer = await http.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": bad})
    assert answer.status_code == 409
    assert "startTime" in answer.text


async def test_a_field_that_the_form_fills_in_as_an_example_is_still_required_from_the_api(desk: Desk) -> None:
    api = desk.stack.variables["PREFECT_API_URL"]
    async with httpx.AsyncClient(base_url=api, auth=desk.stack.prefect_login) as http:
        deployment = (await http.get(f"/deployments/name/{DEPLOYMENT}")).json()["id"]
        without = {name: value for name, value in tiny(desk).items() if name != "segments"}
        answer = await http.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": without})
    assert answer.status_code == 409
    assert "segments" in answer.text
