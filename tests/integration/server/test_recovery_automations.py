"""The automations that look for dead runs leave those alone that live."""

import pytest
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger

from deployments.server.recovery_automations import build_recovery_automations

HEARTBEAT = "prefect.flow-run.heartbeat"


def marks_runs_crashed(automation: AutomationCore) -> bool:
    actions = [action for action in automation.actions if isinstance(action, ChangeFlowRunState)]
    return any(action.state == StateType.CRASHED for action in actions)


CRASHING_AUTOMATIONS = [automation for automation in build_recovery_automations() if marks_runs_crashed(automation)]


@pytest.mark.parametrize(
    "automation", CRASHING_AUTOMATIONS, ids=[automation.name for automation in CRASHING_AUTOMATIONS]
)
def test_a_heartbeat_alone_keeps_a_run_from_being_marked_crashed(automation: AutomationCore) -> None:
    assert isinstance(automation.trigger, EventTrigger)
    assert HEARTBEAT in automation.trigger.expect
