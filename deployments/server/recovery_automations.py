"""Recovery by itself, as Prefect automations: a run that has fallen silent is Crashed, and a crashed run is run again.

Both act on runs with the tag of our deployments only, so they leave other people's flows on the same server alone.
A run that is run again goes on where the ledger says; how often, the ledger's cap decides (`recovery_attempts`).
"""

from datetime import timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

AUTO_RECOVER_TAG: Final = "recovered-by-itself"
"""Runs of deployments with this tag (prefect.yaml) are watched. They have to be safe to run again."""


def _state_events(*names: str) -> set[str]:
    """The events of a run's states, which carry the states' names."""
    return {f"prefect.flow-run.{name}" for name in names}


_HEARTBEAT_EVENT: Final = "prefect.flow-run.heartbeat"
_STARTING_EVENTS: Final = _state_events("Pending", "Submitting", "InfrastructurePending")
_CUSTOM_FINAL_EVENTS: Final = _state_events("SteppedAside", "Parked", "InUse")  # names of our own, see flows/
FINAL_EVENTS: Final = _state_events("Completed", "Failed", "Cancelled", "Crashed") | _CUSTOM_FINAL_EVENTS
_NOT_RUNNING_EVENTS: Final = _state_events("Scheduled", "Late", "AwaitingRetry", "Cancelling")
ANY_FLOW_RUN: Final = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
TAGGED_RUNS: Final = ResourceSpecification(
    {"prefect.resource.id": f"prefect.tag.{AUTO_RECOVER_TAG}", "prefect.resource.role": "tag"}
)


class LivenessSettings(BaseSettings):
    """How long a silent run is believed to be alive: `VIDEOJOBS_...`, applied by `make register`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_", env_ignore_empty=True)

    silence_seconds: float = Field(default=90, gt=30, le=86_400)
    """Three heartbeats of 30 s (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY` of the workers, whose minimum that is)."""

    start_seconds: float = Field(default=300, ge=10, le=86_400)
    """From the moment that a worker takes a run until it runs. A process is there in seconds; a container may have to
    wait for a machine and pull its image first."""


def build_recovery_automations() -> list[AutomationCore]:
    """What `make register` brings the server to, by name."""
    return [
        AutomationCore(
            name="videojobs: a silent run has crashed",
            description="A run whose process or machine is gone sends no heartbeat any more.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                after={_HEARTBEAT_EVENT},
                expect={_HEARTBEAT_EVENT, *FINAL_EVENTS, *_NOT_RUNNING_EVENTS},
                match=ANY_FLOW_RUN,
                match_related=TAGGED_RUNS,
                for_each={"prefect.resource.id"},
                threshold=1,
                within=timedelta(seconds=LivenessSettings().silence_seconds),
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message="The run has fallen silent.")],
        ),
        AutomationCore(
            name="videojobs: a run that never began has crashed",
            description="Its worker died between taking it and starting it. No heartbeat tells of such a run.",
            trigger=EventTrigger(
                posture=Posture.Proactive,
                after=_STARTING_EVENTS,
                # Under load the server may lose an event: of life there is one again and again.
                expect={"prefect.flow-run.Running", _HEARTBEAT_EVENT, *FINAL_EVENTS, *_NOT_RUNNING_EVENTS},
                match=ANY_FLOW_RUN,
                match_related=TAGGED_RUNS,
                for_each={"prefect.resource.id"},
                threshold=1,
                within=timedelta(seconds=LivenessSettings().start_seconds),
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message="The run was taken, and never began.")],
        ),
        AutomationCore(
            name="videojobs: a crashed run is run again",
            description="It goes on where the job's row says, and pays for nothing twice.",
            trigger=EventTrigger(
                posture=Posture.Reactive,
                expect={"prefect.flow-run.Crashed"},
                match=ANY_FLOW_RUN,
                match_related=TAGGED_RUNS,
                for_each={"prefect.resource.id"},
                threshold=1,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED, name="AwaitingRetry", message="Run again, since it had crashed."
                )
            ],
        ),
    ]


async def upsert_automation(client: PrefectClient, desired: AutomationCore) -> str:
    """Bring the automation of this name to what is wanted; `create` alone would make a second one each time."""
    existing = await client.read_automations_by_name(desired.name)
    if not existing:
        await client.create_automation(desired)
    for automation in existing[:1]:
        await client.update_automation(automation.id, desired.model_copy(update={"enabled": automation.enabled}))
    for duplicate in existing[1:]:
        await client.delete_automation(duplicate.id)
    return f"automation {desired.name!r}"
