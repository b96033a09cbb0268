"""Alerts, as Prefect automations: somebody is told when something needs a person, or soon may.

They go to a notification block of the operator's own (Slack, e-mail, a webhook: whatever Prefect has a block for),
named in `VIDEOJOBS_ALERT_BLOCK`. Without one they only show where automations do: in Prefect's event feed.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events.actions import DoNothing, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from deployments.automations import ANY_RUN, ENDS, OURS
from tasks.announcing import JOB, NO_ANSWER, PARKED, STUCK, VENDOR
from videojobs.errors import ConfigurationError

_ANY_JOB: Final = ResourceSpecification({"prefect.resource.id": f"{JOB}*"})
_ANY_VENDOR: Final = ResourceSpecification({"prefect.resource.id": f"{VENDOR}*"})
_EACH: Final = {"prefect.resource.id"}
_RUN_TEXT: Final = "{{ flow_run.name }} ({{ flow.name }}): {{ flow_run.state.message }}"
_EVENT_TEXT: Final = "{{ event.resource.name }}: {{ event.payload.reason }}"


class Alerts(BaseSettings):
    """Whom alerts go to, and from when on there is something to tell: `VIDEOJOBS_ALERT_...`, for `make register`."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_ALERT_", env_ignore_empty=True, frozen=True)

    block: str | None = Field(default=None, pattern="^[a-z0-9-]+/[A-Za-z0-9 ._-]+$")
    """A notification block, as `type/name`: `slack-webhook/operators`. It is made in Prefect's UI, since it may hold
    a secret. Unset: nobody is told."""

    run_hours: float = Field(default=8, gt=0, le=24 * 14)
    """How long one run may be at work. Jobs wait for their vendors for six hours at most (`poll_give_up_hours`); a
    lecture of five hours takes two on a slow core."""

    backlog: int = Field(default=10, ge=1, le=10_000)
    """So many runs that no worker has taken in time, within `backlog_minutes`: workers are missing, or too few."""

    backlog_minutes: float = Field(default=10, gt=0, le=24 * 60)
    """See `backlog`."""


async def alerts(client: PrefectClient, settings: Alerts | None = None) -> list[AutomationCore]:
    """What `make register` brings the server to, by name. Raises ConfigurationError where there is no such block."""
    settings = settings or Alerts()
    target = await _target(client, settings.block) if settings.block else None
    return [
        _alert("a job has failed", _runs({"prefect.flow-run.Failed"}), _RUN_TEXT, target),
        _alert("a job is parked", _jobs(PARKED), f"{_EVENT_TEXT}\nDecide with the deployment `decide`.", target),
        _alert("a job was stuck", _jobs(STUCK), _EVENT_TEXT, target),
        _alert("a vendor gives no answer", _news(NO_ANSWER, _ANY_VENDOR), f"{_EVENT_TEXT}\nJobs wait for it.", target),
        _alert("a run does not end", _too_long(timedelta(hours=settings.run_hours)), _RUN_TEXT, target),
        _alert("runs wait for a worker", _backlog(settings), f"The last one: {_RUN_TEXT}", target),
    ]


async def _target(client: PrefectClient, block: str) -> UUID:
    kind, _, name = block.partition("/")
    try:
        return (await client.read_block_document_by_name(name, kind)).id
    except ObjectNotFound as error:
        raise ConfigurationError(
            f"VIDEOJOBS_ALERT_BLOCK names {block}, and the Prefect server has no such block: make it under Blocks"
        ) from error


def _alert(what: str, trigger: EventTrigger, text: str, target: UUID | None) -> AutomationCore:
    tell = SendNotification(block_document_id=target, subject=f"videojobs: {what}", body=text) if target else None
    return AutomationCore(
        name=f"videojobs alert: {what}",
        description="Tells the block that VIDEOJOBS_ALERT_BLOCK names." if tell else "Shows in the event feed only.",
        trigger=trigger,
        actions=[tell or DoNothing()],
    )


def _runs(events: set[str]) -> EventTrigger:
    return EventTrigger(
        posture=Posture.Reactive, expect=events, match=ANY_RUN, match_related=OURS, for_each=_EACH, threshold=1
    )


def _jobs(event: str) -> EventTrigger:
    return _news(event, _ANY_JOB)


def _news(event: str, about: ResourceSpecification) -> EventTrigger:
    return EventTrigger(posture=Posture.Reactive, expect={event}, match=about, for_each=_EACH, threshold=1)


def _too_long(within: timedelta) -> EventTrigger:
    return EventTrigger(
        posture=Posture.Proactive,
        after={"prefect.flow-run.Running"},
        expect=ENDS,
        match=ANY_RUN,
        match_related=OURS,
        for_each=_EACH,
        threshold=1,
        within=within,
    )


def _backlog(settings: Alerts) -> EventTrigger:
    """Of all runs together, so that it is told once."""
    return EventTrigger(
        posture=Posture.Reactive,
        expect={"prefect.flow-run.Late"},
        match=ANY_RUN,
        match_related=OURS,
        threshold=settings.backlog,
        within=timedelta(minutes=settings.backlog_minutes),
    )
