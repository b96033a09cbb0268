"""The ways to start a job: the Prefect API with and without a client, the command line, and duplicate requests."""

import asyncio
import json
import sys

import httpx

from tests.acceptance.conftest import DEPLOYMENT, StackDriver
from videojobs.states import Status


def tiny_request(driver: StackDriver) -> dict[str, object]:
    return driver.make_request(
        audio=[{"refId": "audio-2", "source": str(driver.sample.audio["audio-2"])}],
        segments=[{"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-2"}}],
        effects=[],
    )


async def printed_command(driver: StackDriver, *words: str) -> str:
    """The output of a command that a person runs beside the stack."""
    process = await asyncio.create_subprocess_exec(
        *words, env={**driver.stack.variables, "PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def test_curl_starts_one_job_per_idempotency_key(driver: StackDriver, job_id: str) -> None:
    api = driver.stack.variables["PREFECT_API_URL"]
    login = ("-u", driver.stack.variables["PREFECT_API_AUTH_STRING"])
    found = json.loads(await printed_command(driver, "curl", "-s", *login, f"{api}/deployments/name/{DEPLOYMENT}"))
    body = json.dumps({"parameters": tiny_request(driver), "idempotency_key": job_id})
    call = ["curl", "-s", *login, f"{api}/deployments/{found['id']}/create_flow_run"]
    call += ["-H", "Content-Type: application/json", "-d", body]
    first, second = json.loads(await printed_command(driver, *call)), json.loads(await printed_command(driver, *call))
    assert first["id"] == second["id"]
    job = await driver.wait_for_job(await driver.prefect.read_flow_run(first["id"]))
    assert (job.id, job.status) == (first["id"], Status.COMPLETED)
    assert len(await driver.vendor_submissions("sync_so", first["id"])) == 1


async def test_prefect_deployment_run_starts_a_job(driver: StackDriver, job_id: str) -> None:
    parameters = json.dumps({**tiny_request(driver), "job_id": job_id})
    await printed_command(
        driver, sys.executable, "-m", "prefect", "deployment", "run", DEPLOYMENT, "--params", parameters, "--watch"
    )
    assert (await driver.repository.get_job(job_id)).status == Status.COMPLETED


async def test_the_prefect_api_rejects_a_bad_parameter_by_name(driver: StackDriver) -> None:
    api = driver.stack.variables["PREFECT_API_URL"]
    async with httpx.AsyncClient(base_url=api, auth=driver.stack.prefect_login) as http:
        deployment = (await http.get(f"/deployments/name/{DEPLOYMENT}")).json()["id"]
        bad = {
            **tiny_request(driver),
            "segments": [{"startTime": "soon", "endTime": 1, "audioInput": {"refId": "audio-2"}}],
        }
        answer = await http.post(f"/deployments/{deployment}/create_flow_run", json={"parameters": bad})
    assert answer.status_code == 409
    assert "startTime" in answer.text


async def test_the_examples_of_the_form_are_no_defaults(driver: StackDriver) -> None:
    run = await driver.start_run({"video": tiny_request(driver)["video"]})
    job = await driver.wait_for_job(run)
    assert job.status == Status.FAILED
    assert "nothing else to do" in (job.error_message or "")
    assert await driver.vendor_submissions("sync_so", job.id) == []
