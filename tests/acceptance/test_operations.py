"""Operator commands: register everything on a server, and let the doctor find what is missing."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from pydantic import SecretStr

from blocks import Connections, JobDatabase, load_block
from blocks.ghostcut import GhostCutCredentials
from blocks.sync_so import SyncSoCredentials
from deployments.server.doctor import CheckFailed, list_checks, run_checks
from deployments.server.environment import EMPTY_ENVIRONMENT
from deployments.server.register import register
from deployments.server.storage import storage_block
from tests.acceptance.conftest import StackDriver

pytestmark = pytest.mark.usefixtures("in_process_flows")

REGISTERED_NAMES = {
    "pool video-jobs",
    "deployment pro-video",
    "deployment lecture",
    "videojobs alert: a job has failed",
    "videojobs alert: a job is parked",
    "videojobs alert: a job was stuck",
    "videojobs alert: a vendor gives no answer",
    "videojobs alert: a run does not end",
    "videojobs alert: runs wait for a worker",
    "limit sync-so-generations",
    "limit ghostcut-works",
    "block job-database",
    "block video-storage",
    "block sync-so",
    "block ghostcut",
}


async def registered_objects(driver: StackDriver) -> list[str]:
    """Everything that registration creates, by name."""
    return [
        *(f"pool {pool.name}" for pool in await driver.prefect.read_work_pools()),
        *(f"deployment {deployment.name}" for deployment in await driver.prefect.read_deployments()),
        *(f"{automation.name}" for automation in await driver.prefect.read_automations()),
        *(f"limit {limit.name}" for limit in await driver.prefect.read_global_concurrency_limits()),
        *(f"block {block.name}" for block in await driver.prefect.read_block_documents()),
    ]


async def test_registering_again_creates_no_duplicates(driver: StackDriver) -> None:
    await register(driver.environment)
    found = [name for name in await registered_objects(driver) if name in REGISTERED_NAMES]
    assert sorted(found) == sorted(REGISTERED_NAMES)


async def test_registering_without_a_value_keeps_its_block(driver: StackDriver) -> None:
    lines = await register(EMPTY_ENVIRONMENT)
    assert any("block sync-so: unchanged" in line for line in lines)
    block = await load_block(SyncSoCredentials, "sync-so")
    assert block.api_key.get_secret_value() == driver.stack.variables["SYNC_SO_API_KEY"]


async def test_the_doctor_passes_on_the_local_stack(driver: StackDriver, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "deployments.server.doctor")
    environment = {**driver.stack.variables, "COLUMNS": "200"}
    doctor = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await doctor.communicate()
    assert doctor.returncode == 0, printed.decode()
    assert printed.decode().count("✓") == len(list_checks())
    for secret in (name for name in driver.stack.variables if "SECRET" in name or name.endswith("_KEY")):
        assert driver.stack.variables[secret] not in printed.decode()


async def test_the_doctor_gives_a_remedy_for_each_broken_part(driver: StackDriver) -> None:
    """Each part is broken in its own way, in a separate block; the doctor still checks all of them."""
    broken = Connections(database="broken-db", storage="broken-store", sync_so="broken-sync", ghostcut="no-such-block")
    await JobDatabase(url=SecretStr("postgresql://nobody:hush@127.0.0.1:1/x")).save("broken-db", overwrite=True)
    store = storage_block(driver.environment.model_copy(update={"s3_bucket": "no-such-bucket"}))
    assert store is not None
    await store.save("broken-store", overwrite=True)
    await SyncSoCredentials(api_key=SecretStr("wrong"), base_url=driver.stack.address_of("sync_so")).save(
        "broken-sync", overwrite=True
    )
    findings = await run_checks(broken)
    said = {name: str(finding) for name, finding in findings.items() if isinstance(finding, CheckFailed)}
    assert set(said) == {"Job database", "Storage", "Sync.so", "GhostCut"}
    assert "check DATABASE_URL" in said["Job database"]
    assert "hush" not in said["Job database"]
    assert "no-such-bucket" in said["Storage"]
    assert "401" in said["Sync.so"] or "key" in said["Sync.so"]
    assert "make deploy" in said["GhostCut"]


async def test_the_doctor_detects_a_wrong_ghostcut_secret_for_free(driver: StackDriver) -> None:
    wrong = GhostCutCredentials(
        app_key=SecretStr(driver.stack.variables["GHOSTCUT_APP_KEY"]),
        app_secret=SecretStr("wrong"),
        base_url=driver.stack.address_of("ghostcut"),
    )
    await wrong.save("wrong-ghostcut", overwrite=True)
    finding = (await run_checks(Connections(ghostcut="wrong-ghostcut")))["GhostCut"]
    assert isinstance(finding, CheckFailed)
    assert "2004" in str(finding)


async def test_the_doctor_detects_a_missing_sync_so_webhook_secret(
    driver: StackDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsigned = SyncSoCredentials(
        api_key=SecretStr(driver.stack.variables["SYNC_SO_API_KEY"]), base_url=driver.stack.address_of("sync_so")
    )
    await unsigned.save("unsigned-sync", overwrite=True)
    monkeypatch.setenv("VIDEOJOBS_PUBLIC_URL", "https://door.example.com")
    finding = (await run_checks(Connections(sync_so="unsigned-sync")))["Sync.so"]
    assert isinstance(finding, CheckFailed)
    assert "SYNC_SO_WEBHOOK_SECRET" in str(finding)
    monkeypatch.delenv("VIDEOJOBS_PUBLIC_URL")
    assert not isinstance((await run_checks(Connections(sync_so="unsigned-sync")))["Sync.so"], CheckFailed)


async def test_readiness_names_a_service_that_is_down(driver: StackDriver) -> None:
    async def ready(http: httpx.AsyncClient) -> tuple[int, dict[str, str]]:
        answer = await http.get("/readyz")
        return answer.status_code, answer.json()

    up = dict.fromkeys(("postgres", "prefect", "storage", "providers"), "up")
    async with httpx.AsyncClient(base_url=driver.stack.address_of("api"), timeout=30) as http:
        assert await ready(http) == (200, up)
        await driver.stack.kill("object_store")
        try:
            assert await ready(http) == (503, up | {"storage": "unavailable"})
        finally:
            await driver.stack.restart("object_store")
        async with asyncio.timeout(60):
            while await ready(http) != (200, up):  # noqa: ASYNC110  # the store causes the change
                await asyncio.sleep(0.2)
        figures = (await http.get("/metrics")).text
    assert "videojobs_database_up 1.0" in figures
    assert "videojobs_oldest_job_seconds" in figures


async def test_the_scheduled_cleanup_acts(driver: StackDriver) -> None:
    """The run is created as the scheduler does it: a manual run only reports."""
    deployment = await driver.prefect.read_deployment_by_name("cleanup/cleanup")
    of_the_cleanup = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    scheduled: list[FlowRun] = []
    async with asyncio.timeout(90):
        while not scheduled:  # the scheduler, a separate service, creates it
            await asyncio.sleep(0.5)
            runs = await driver.prefect.read_flow_runs(deployment_filter=of_the_cleanup)
            scheduled = [run for run in runs if run.auto_scheduled]
    assert scheduled[0].parameters["config"]["dry_run"] is False
    assert deployment.parameters.get("config", {}).get("dry_run", True) is True
