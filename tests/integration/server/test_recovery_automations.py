"""The automations that look for dead runs ignore runs that are alive."""

import pytest
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.events.schemas.events import Resource, ResourceSpecification

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


@pytest.mark.parametrize("tag", ["auto-recover", "recovered-by-itself"])
def test_runs_recover_under_the_old_and_the_new_tag(tag: str) -> None:
    """Runs that were created before `make deploy` keep the old tag."""
    run_tag = Resource({"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"})
    for automation in build_recovery_automations():
        assert isinstance(automation.trigger, EventTrigger)
        assert isinstance(automation.trigger.match_related, ResourceSpecification)
        assert automation.trigger.match_related.matches(run_tag)


@pytest.mark.parametrize("state", ["Skipped", "Conflict", "Parked", "SteppedAside", "InUse"])
def test_a_run_that_ended_is_not_marked_crashed(state: str) -> None:
    """Also in the states that workers of an earlier version set."""
    for automation in CRASHING_AUTOMATIONS:
        assert isinstance(automation.trigger, EventTrigger)
        assert f"prefect.flow-run.{state}" in automation.trigger.expect
