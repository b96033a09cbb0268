"""Alerts: the automations that `make deploy` creates on the Prefect server."""

from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.events.actions import DoNothing, SendNotification
from prefect.exceptions import ObjectNotFound

from deployments.server.alert_automations import AlertSettings, build_alert_automations
from videojobs.errors import ConfigurationError


def fake_prefect(answer: Any) -> PrefectClient:
    """A Prefect server that has this block, or raises."""
    return cast(PrefectClient, AsyncMock(read_block_document_by_name=AsyncMock(side_effect=[answer])))


async def test_without_a_block_alerts_only_appear_in_prefect() -> None:
    found = await build_alert_automations(fake_prefect(None), AlertSettings(block=None))
    assert [alert.actions for alert in found] == [[DoNothing()]] * 6
    assert len({alert.name for alert in found}) == 6


async def test_with_a_block_every_alert_is_sent() -> None:
    block = AsyncMock(id=uuid4())
    found = await build_alert_automations(fake_prefect(block), AlertSettings(block="slack-webhook/operators"))
    told = [action for alert in found for action in alert.actions if isinstance(action, SendNotification)]
    assert [action.block_document_id for action in told] == [block.id] * 6
    assert all(action.subject.startswith("videojobs: ") for action in told)


async def test_a_missing_notification_block_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="no such block"):
        await build_alert_automations(
            fake_prefect(ObjectNotFound(Exception())), AlertSettings(block="slack-webhook/nobody")
        )
