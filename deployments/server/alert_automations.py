"""Alerts, as Prefect automations: notifications when a job or the platform needs an operator, or soon may.

They go to a notification block that the operator makes (Slack, e-mail, a webhook: whatever Prefect has a block for),
named in `VIDEOJOBS_ALERT_BLOCK`. Without one they show in Prefect's event feed only.
"""

from datetime import timedelta
from typing import ClassVar, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events.actions import DoNothing, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from deployments.server.recovery_automations import ANY_FLOW_RUN, FINAL_EVENTS, TAGGED_RUNS
from tasks.runtime.operator_alerts import (
    JOB_PARKED,
    JOB_RESOURCE_PREFIX,
    JOB_STUCK,
    VENDOR_NO_ANSWER,
    VENDOR_RESOURCE_PREFIX,
)
from videojobs.errors import ConfigurationError
from videojobs.settings import Settings

_ANY_JOB_RESOURCE: Final = ResourceSpecification({"prefect.resource.id": f"{JOB_RESOURCE_PREFIX}*"})
_ANY_VENDOR_RESOURCE: Final = ResourceSpecification({"prefect.resource.id": f"{VENDOR_RESOURCE_PREFIX}*"})
_PER_RESOURCE: Final = {"prefect.resource.id"}
_RUN_TEMPLATE: Final = "{{ flow_run.name }} ({{ flow.name }}): {{ flow_run.state.message }}"
_EVENT_TEMPLATE: Final = "{{ event.resource.name }}: {{ event.payload.reason }}"


class AlertSettings(Settings):
    """Where alerts go, and their thresholds: `VIDEOJOBS_ALERT_...`, applied by `make deploy`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_ALERT_")
    old_names: ClassVar = {
        "VIDEOJOBS_ALERT_RUN_HOURS": "max_run_hours",
        "VIDEOJOBS_ALERT_BACKLOG": "max_late_runs",
        "VIDEOJOBS_ALERT_BACKLOG_MINUTES": "late_runs_window_minutes",
    }

    block: str | None = Field(default=None, pattern="^[a-z0-9-]+/[A-Za-z0-9 ._-]+$")
    """A notification block, as `type/name`: `slack-webhook/operators`. Make it in Prefect's UI, since it may hold a
    secret. Unset: no notifications."""

    max_run_hours: float = Field(default=8, gt=0, le=24 * 14)
    """How long one run may last. Jobs wait for a vendor for six hours at most (`VIDEOJOBS_POLL_GIVE_UP_HOURS`); a
    lecture of five hours takes two on a slow core."""

    max_late_runs: int = Field(default=10, ge=1, le=10_000)
    """Late runs within `late_runs_window_minutes` that cause an alert: workers are missing, or too few."""

    late_runs_window_minutes: float = Field(default=10, gt=0, le=24 * 60)
    """The period in which late runs are counted, see `max_late_runs`."""


async def build_alert_automations(client: PrefectClient, settings: AlertSettings | None = None) -> list[AutomationCore]:
    """The alerts that `make deploy` creates or updates, by name. Raises ConfigurationError if the block is missing."""
    settings = settings or AlertSettings.current()
    block_id = await _read_notification_block_id(client, settings.block) if settings.block else None
    return [
        _alert_automation("a job has failed", _run_event_trigger({"prefect.flow-run.Failed"}), _RUN_TEMPLATE, block_id),
        _alert_automation(
            "a job is parked",
            _job_event_trigger(JOB_PARKED),
            f"{_EVENT_TEMPLATE}\nRun the deployment `resolve-job`.",
            block_id,
        ),
        _alert_automation("a job was stuck", _job_event_trigger(JOB_STUCK), _EVENT_TEMPLATE, block_id),
        _alert_automation(
            "a vendor gives no answer",
            _event_trigger(VENDOR_NO_ANSWER, _ANY_VENDOR_RESOURCE),
            f"{_EVENT_TEMPLATE}\nJobs wait for it.",
            block_id,
        ),
        _alert_automation(
            "a run does not end", _long_run_trigger(timedelta(hours=settings.max_run_hours)), _RUN_TEMPLATE, block_id
        ),
        _alert_automation(
            "runs wait for a worker", _backlog_trigger(settings), f"The last one: {_RUN_TEMPLATE}", block_id
        ),
    ]


async def _read_notification_block_id(client: PrefectClient, block: str) -> UUID:
    kind, _, name = block.partition("/")
    try:
        return (await client.read_block_document_by_name(name, kind)).id
    except ObjectNotFound as error:
        raise ConfigurationError(
            f"VIDEOJOBS_ALERT_BLOCK names {block}, and the Prefect server has no such block: create it under Blocks"
        ) from error


def _alert_automation(title: str, trigger: EventTrigger, text: str, block_id: UUID | None) -> AutomationCore:
    notification = (
        SendNotification(block_document_id=block_id, subject=f"videojobs: {title}", body=text) if block_id else None
    )
    return AutomationCore(
        name=f"videojobs alert: {title}",
        description="Notifies the block that VIDEOJOBS_ALERT_BLOCK names."
        if notification
        else "Shows in the event feed only.",
        trigger=trigger,
        actions=[notification or DoNothing()],
    )


def _run_event_trigger(events: set[str]) -> EventTrigger:
    return EventTrigger(
        posture=Posture.Reactive,
        expect=events,
        match=ANY_FLOW_RUN,
        match_related=TAGGED_RUNS,
        for_each=_PER_RESOURCE,
        threshold=1,
    )


def _job_event_trigger(event: str) -> EventTrigger:
    return _event_trigger(event, _ANY_JOB_RESOURCE)


def _event_trigger(event: str, resource: ResourceSpecification) -> EventTrigger:
    return EventTrigger(posture=Posture.Reactive, expect={event}, match=resource, for_each=_PER_RESOURCE, threshold=1)


def _long_run_trigger(within: timedelta) -> EventTrigger:
    return EventTrigger(
        posture=Posture.Proactive,
        after={"prefect.flow-run.Running"},
        expect=FINAL_EVENTS,
        match=ANY_FLOW_RUN,
        match_related=TAGGED_RUNS,
        for_each=_PER_RESOURCE,
        threshold=1,
        within=within,
    )


def _backlog_trigger(settings: AlertSettings) -> EventTrigger:
    """For all runs together: one alert, not one for each run."""
    return EventTrigger(
        posture=Posture.Reactive,
        expect={"prefect.flow-run.Late"},
        match=ANY_FLOW_RUN,
        match_related=TAGGED_RUNS,
        threshold=settings.max_late_runs,
        within=timedelta(minutes=settings.late_runs_window_minutes),
    )
