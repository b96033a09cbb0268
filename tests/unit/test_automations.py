"""The automations that look for dead runs leave those alone that live."""

import pytest
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger

from deployments.automations import automations

HEARTBEAT = "prefect.flow-run.heartbeat"


def crashes(automation: AutomationCore) -> bool:
    actions = [action for action in automation.actions if isinstance(action, ChangeFlowRunState)]
    return any(action.state == StateType.CRASHED for action in actions)


DEADLY = [automation for automation in automations() if crashes(automation)]


@pytest.mark.parametrize("automation", DEADLY, ids=[automation.name for automation in DEADLY])
def test_a_sign_of_life_is_enough_whichever_other_event_was_lost(automation: AutomationCore) -> None:
    assert isinstance(automation.trigger, EventTrigger)
    assert HEARTBEAT in automation.trigger.expect
