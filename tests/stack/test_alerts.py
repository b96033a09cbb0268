"""Alerts on the real Prefect server: something goes wrong, and somebody hears of it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.objects import StateType

from deployments.alerts import Alerts, alerts
from deployments.automations import upsert
from tasks.announcing import PARKED, announce
from tests.emulators.listener import Listener, listening
from tests.stack.conftest import Desk

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def operators() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
async def told(desk: Desk, operators: Listener) -> Listener:
    """Alerts go to the operators, who have a webhook."""
    await CustomWebhookNotificationBlock.register_type_and_schema(client=desk.prefect)
    block = CustomWebhookNotificationBlock(
        name="operators", url=f"{operators.url}/alerts", json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    await block.save("operators", overwrite=True)
    for automation in await alerts(desk.prefect, Alerts(block="custom-webhook/operators")):
        await upsert(desk.prefect, automation)
    return operators


async def heard(operators: Listener, about: str) -> dict[str, str]:
    """The alert about this job; others may come before it."""
    while True:
        delivery = await asyncio.to_thread(operators.next, "/alerts")
        alert: dict[str, str] = json.loads(delivery.raw)
        if about in alert["body"]:
            return alert


async def test_a_failed_job_and_a_parked_one_are_told_to_the_operators(
    desk: Desk, told: Listener, job_id: str, tmp_path: Path
) -> None:
    wanted = {"video": str(tmp_path / "nothing.mp4"), "job_id": job_id}
    run = await desk.ended(await desk.start(wanted, deployment="lecture/lecture"))
    assert run.state_type == StateType.FAILED
    alert = await heard(told, job_id)
    assert alert["subject"] == "videojobs: a job has failed"
    assert "there is no such file" in alert["body"]
    announce(PARKED, f"{job_id}-parked", "who knows")
    alert = await heard(told, f"{job_id}-parked")
    assert alert["subject"] == "videojobs: a job is parked"
    assert "who knows" in alert["body"]
