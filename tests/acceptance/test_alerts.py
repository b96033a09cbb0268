"""Alerts on the real Prefect server: failures are reported to operators."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.objects import StateType

from deployments.server.alert_automations import AlertSettings, build_alert_automations
from deployments.server.recovery_automations import upsert_automation
from tasks.runtime.operator_alerts import JOB_PARKED, emit_operator_event
from tests.acceptance.conftest import StackDriver
from tests.support.callback_receiver import CallbackReceiver, run_callback_receiver

pytestmark = pytest.mark.usefixtures("in_process_flows")


@pytest.fixture
def operators() -> Iterator[CallbackReceiver]:
    with run_callback_receiver() as listener:
        yield listener


@pytest.fixture
async def alert_webhook(driver: StackDriver, operators: CallbackReceiver) -> CallbackReceiver:
    """The operators' webhook, which receives alerts."""
    await CustomWebhookNotificationBlock.register_type_and_schema(client=driver.prefect)
    block = CustomWebhookNotificationBlock(
        name="operators", url=f"{operators.url}/alerts", json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    await block.save("operators", overwrite=True)
    for automation in await build_alert_automations(driver.prefect, AlertSettings(block="custom-webhook/operators")):
        await upsert_automation(driver.prefect, automation)
    return operators


async def wait_for_alert(operators: CallbackReceiver, about: str) -> dict[str, str]:
    """The alert about this job; others may come before it."""
    while True:
        delivery = await asyncio.to_thread(operators.wait_for, "/alerts")
        alert: dict[str, str] = json.loads(delivery.raw)
        if about in alert["body"]:
            return alert


async def test_operators_are_alerted_to_failed_and_parked_jobs(
    driver: StackDriver, alert_webhook: CallbackReceiver, job_id: str, tmp_path: Path
) -> None:
    wanted = {"video": str(tmp_path / "nothing.mp4"), "job_id": job_id}
    run = await driver.wait_for_run(await driver.start_run(wanted, deployment="lecture/lecture"))
    assert run.state_type == StateType.FAILED
    alert = await wait_for_alert(alert_webhook, job_id)
    assert alert["subject"] == "videojobs: a job has failed"
    assert "there is no such file" in alert["body"]
    emit_operator_event(JOB_PARKED, f"{job_id}-parked", "who knows")
    alert = await wait_for_alert(alert_webhook, f"{job_id}-parked")
    assert alert["subject"] == "videojobs: a job is parked"
    assert "who knows" in alert["body"]
