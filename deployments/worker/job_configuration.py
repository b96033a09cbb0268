"""What Prefect asks of every worker type: how a run is configured, and what is left of it."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorkerResult
from pydantic import Field

if TYPE_CHECKING:
    from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
    from prefect.client.schemas.responses import DeploymentResponse

_DROPPED_FIELDS: Final[dict[str, Any]] = {
    "job_variables": {},
    "parameters": {},
    "parameter_openapi_schema": None,
    "pull_steps": None,
}

SUPPORTED_VARIABLES = frozenset({"entrypoint"})
"""Runs share one process, so none has an environment, a command, a name or an image of its own: no such variables."""


class CoroutineVariables(BaseVariables):
    """What a deployment or a run may set."""

    entrypoint: str | None = Field(
        default=None,
        title="Entrypoint",
        description="Which flow to import, as package.module.flow. Empty: the deployment's own entrypoint. For "
        "deployments whose entrypoint is a file, as other pools need it.",
    )

    @classmethod
    def model_json_schema(cls, *arguments: Any, **more: Any) -> dict[str, Any]:
        """Without the variables that Prefect has for every worker type."""
        schema = super().model_json_schema(*arguments, **more)
        schema["properties"] = {
            name: field for name, field in schema["properties"].items() if name in SUPPORTED_VARIABLES
        }
        return schema


class CoroutineJobConfiguration(BaseJobConfiguration):
    """Which flow to run."""

    entrypoint: str | None = None
    ignored_variables: frozenset[str] = frozenset()
    """Job variables that somebody has set, and that mean nothing here."""

    @classmethod
    def json_template(cls) -> dict[str, Any]:
        return {name: f"{{{{ {name} }}}}" for name in SUPPORTED_VARIABLES}

    def prepare_for_flow_run(
        self,
        flow_run: "FlowRun",
        deployment: "DeploymentResponse | None" = None,
        flow: "Flow | None" = None,
        work_pool: "WorkPool | None" = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """Note which run it is. Prefect's own preparation makes an environment and a command, for a process.

        The deployment stays in memory as long as the run: without its form, which is 70 KiB.
        """
        self._related_objects = {"flow": flow, "flow-run": flow_run}
        if deployment is not None:
            self._related_objects["deployment"] = deployment.model_copy(update=_DROPPED_FIELDS)
            self.entrypoint = self.entrypoint or deployment.entrypoint
            variables = {**(deployment.job_variables or {}), **(flow_run.job_variables or {})}
            self.ignored_variables = frozenset(name for name, value in variables.items() if value) - SUPPORTED_VARIABLES


class CoroutineWorkerResult(BaseWorkerResult):
    """That a run is over. How it ended is in its state."""
