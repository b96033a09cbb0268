"""The deployments of prefect.yaml, as `flow/deployment`. Without imports of Prefect, so that commands start fast."""

from typing import Final

from videojobs.states import JobKind

JOB_DEPLOYMENTS: Final = {JobKind.PRO_VIDEO: "pro-video/pro-video", JobKind.LECTURE: "lecture/lecture"}
RESOLVE_JOB_DEPLOYMENT: Final = "resolve-job/resolve-job"
DEPLOYMENTS: Final = (*JOB_DEPLOYMENTS.values(), RESOLVE_JOB_DEPLOYMENT, "decide/decide", "cleanup/cleanup")
"""All of prefect.yaml. `make doctor` checks that they exist."""
