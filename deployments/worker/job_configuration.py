"""What Prefect requires of every worker type: job variables, configuration, result."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from prefect.workers.base import BaseVariables, BaseWorkerResult
from pydantic import Field

from deployments.worker.prefect_compat import CompatJobConfiguration

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
"""Runs share one process, so there are no variables for an environment, a command, a name or an image."""


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


class CoroutineJobConfiguration(CompatJobConfiguration):
    """Which flow to run."""

    entrypoint: str | None = None
    ignored_variables: frozenset[str] = frozenset()
    """Job variables that are set, and have no effect here."""

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
        """Keep what the worker's events refer to. Prefect's own preparation makes an environment and a command.

        The deployment stays in memory as long as the run, without its parameter schema of 70 KiB.
        """
        related: dict[str, Any] = {"flow": flow, "flow-run": flow_run}
        if deployment is not None:
            related["deployment"] = deployment.model_copy(update=_DROPPED_FIELDS)
            self.entrypoint = self.entrypoint or deployment.entrypoint
            variables = {**(deployment.job_variables or {}), **(flow_run.job_variables or {})}
            self.ignored_variables = frozenset(name for name, value in variables.items() if value) - SUPPORTED_VARIABLES
        self.set_related_objects(related)


class CoroutineWorkerResult(BaseWorkerResult):
    """A run is over; its state says how it ended."""
