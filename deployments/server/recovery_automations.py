"""Automatic recovery, as Prefect automations: a run without heartbeats is Crashed, and a crashed run is restarted.

They act on runs with our deployments' tag only, not on other flows of the same server. A restarted run continues at
its job's recovery point; `recovery_attempts` limits the restarts.
"""

from datetime import timedelta
from typing import ClassVar, Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from videojobs.settings import DAY_SECONDS, Settings

AUTO_RECOVER_TAG: Final = "auto-recover"
"""Runs of deployments with this tag (prefect.yaml) recover automatically. Their flows must be safe to run again."""
_OLD_AUTO_RECOVER_TAG: Final = "recovered-by-itself"  # of runs that an earlier version's deployments made


def _state_events(*names: str) -> set[str]:
    """The events of a run's states, which carry the states' names."""
    return {f"prefect.flow-run.{name}" for name in names}


_HEARTBEAT_EVENT: Final = "prefect.flow-run.heartbeat"
_STARTING_EVENTS: Final = _state_events("Pending", "Submitting", "InfrastructurePending")
# Names of our own, see flows/. Workers of an earlier version, which may still run, set the last two.
_CUSTOM_FINAL_EVENTS: Final = _state_events("Skipped", "Parked", "Conflict", "SteppedAside", "InUse")
FINAL_EVENTS: Final = _state_events("Completed", "Failed", "Cancelled", "Crashed") | _CUSTOM_FINAL_EVENTS
_NOT_RUNNING_EVENTS: Final = _state_events("Scheduled", "Late", "AwaitingRetry", "Cancelling")
ANY_FLOW_RUN: Final = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
TAGGED_RUNS: Final = ResourceSpecification(
    {
        "prefect.resource.id": [f"prefect.tag.{tag}" for tag in (AUTO_RECOVER_TAG, _OLD_AUTO_RECOVER_TAG)],
        "prefect.resource.role": "tag",
    }
)


class LivenessSettings(Settings):
    """When a run counts as dead: `VIDEOJOBS_...`, applied by `make deploy`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")
    old_names: ClassVar = {
        "VIDEOJOBS_SILENCE_SECONDS": "heartbeat_timeout_seconds",
        "VIDEOJOBS_START_SECONDS": "pending_timeout_seconds",
    }

    heartbeat_timeout_seconds: float = Field(default=90, gt=30, le=DAY_SECONDS)
    """Time without a heartbeat after which a run is Crashed. Ours: three heartbeats of 30 s, the least that
    `PREFECT_FLOWS_HEARTBEAT_FREQUENCY` of the workers accepts."""

    pending_timeout_seconds: float = Field(default=300, ge=10, le=DAY_SECONDS)
    """From the moment that a worker claims a run until it is Running. A process starts in seconds; a container may wait
    for a machine and pull its image first."""


def build_recovery_automations() -> list[AutomationCore]:
    """The automations that `make deploy` creates or updates, by name."""
    return [
        AutomationCore(
            name="videojobs: a silent run has crashed",
            description="A run whose process or machine is gone sends no heartbeats.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                after={_HEARTBEAT_EVENT},
                expect={_HEARTBEAT_EVENT, *FINAL_EVENTS, *_NOT_RUNNING_EVENTS},
                match=ANY_FLOW_RUN,
                match_related=TAGGED_RUNS,
                for_each={"prefect.resource.id"},
                threshold=1,
                within=timedelta(seconds=LivenessSettings.current().heartbeat_timeout_seconds),
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message="The run sends no heartbeats.")],
        ),
        AutomationCore(
            name="videojobs: a run that never began has crashed",
            description="Its worker died between claiming and starting it, before the first heartbeat.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                after=_STARTING_EVENTS,
                # Under load the server may lose the event Running; heartbeats repeat.
                expect={"prefect.flow-run.Running", _HEARTBEAT_EVENT, *FINAL_EVENTS, *_NOT_RUNNING_EVENTS},
                match=ANY_FLOW_RUN,
                match_related=TAGGED_RUNS,
                for_each={"prefect.resource.id"},
                threshold=1,
                within=timedelta(seconds=LivenessSettings.current().pending_timeout_seconds),
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED, message="The run was claimed by a worker, and never started."
                )
            ],
        ),
        AutomationCore(
            name="videojobs: a crashed run is run again",
            description="It continues at the job's recovery point, and pays for nothing twice.",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={"prefect.flow-run.Crashed"},
                match=ANY_FLOW_RUN,
                match_related=TAGGED_RUNS,
                for_each={"prefect.resource.id"},
                threshold=1,
            ),
            actions=[
                ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message="Restarted after a crash.")
            ],
        ),
    ]


async def upsert_automation(client: PrefectClient, desired: AutomationCore) -> str:
    """Create the automation, or update the one of this name. Prefect's `create` makes a second one each time."""
    existing = await client.read_automations_by_name(desired.name)
    if not existing:
        await client.create_automation(desired)
    for automation in existing[:1]:
        await client.update_automation(automation.id, desired.model_copy(update={"enabled": automation.enabled}))
    for duplicate in existing[1:]:
        await client.delete_automation(duplicate.id)
    return f"automation {desired.name!r}"
